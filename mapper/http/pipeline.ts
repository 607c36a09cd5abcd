import { ALL_REQUESTS_PER_TURN, FEW_PER_TURN, MAX_UNANSWERED, REQUESTS_PER_TURN } from './limits.ts';

/** Reading goes on when this many are unanswered, so that it is not stopped again by the next request. */
const FEW_UNANSWERED = MAX_UNANSWERED / 2;

/**
 * What all connections begin in one turn of the event loop. A turn accepts one new connection, so long turns
 * would keep new clients waiting.
 */
export class Turns {
  #begun = 0;
  #isNextAwaited = false;
  /** Those that may begin more in a later turn, who waits longest first. */
  #waiting: (() => void)[] = [];

  /** Whether a connection that has begun a few requests in this turn must leave the rest of it to others. */
  get areCrowded(): boolean {
    return this.#begun >= ALL_REQUESTS_PER_TURN;
  }

  /** Requests have begun. Counts too many rather than too few, because most turns need no timer. */
  began(units: number): void {
    this.#begun += units;
    if (this.#begun >= ALL_REQUESTS_PER_TURN / 2) this.#awaitNext();
  }

  /** Calls back in the next turn, or later when those before have filled that one. */
  wait(begin: () => void): void {
    this.#waiting.push(begin);
    this.#awaitNext();
  }

  #awaitNext(): void {
    if (this.#isNextAwaited) return;
    this.#isNextAwaited = true;
    setImmediate(this.#begin);
  }

  readonly #begin = (): void => {
    this.#isNextAwaited = false;
    this.#begun = 0;
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    let begun = 0;
    while (begun < waiting.length && !this.areCrowded) (waiting[begun++] as () => void)();
    if (begun === waiting.length) return;
    this.#waiting = [...waiting.slice(begun), ...this.#waiting];
    this.#awaitNext();
  };
}

/**
 * The rules for the requests of one connection, whoever parses them:
 *
 * - One turn of the event loop begins at most {@link REQUESTS_PER_TURN}, so that other connections have their
 *   turn. A request that costs more work counts as several.
 * - When all connections together have begun {@link ALL_REQUESTS_PER_TURN}, each begins
 *   {@link FEW_PER_TURN} at most, and those that wait for their next turn wait for a later one. A client that
 *   sends one request at a time is not stopped.
 * - At most {@link MAX_UNANSWERED} are unanswered.
 * - After a request whose answer closes the connection, no other begins (RFC 9112, 9.6).
 *
 * The parser asks `isEnding` before it begins a request and `isFull` after it. When the pipeline is full, the
 * parser stops; `onRoom` is called when it may go on.
 */
export class Pipeline {
  readonly #onRoom: () => void;
  readonly #turns: Turns;
  #unanswered = 0;
  #inThisTurn = 0;
  /** In the same turn, whatever they cost. */
  #begunInThisTurn = 0;
  #isTurnAwaited = false;
  #isEnding = false;
  #onAnswered: (() => void) | undefined;

  constructor(turns: Turns, onRoom: () => void) {
    this.#turns = turns;
    this.#onRoom = onRoom;
  }

  /** Whether no request may begin any more: the connection closes after the answers that are due. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** Whether no request may begin now. */
  get isFull(): boolean {
    if (this.#inThisTurn >= REQUESTS_PER_TURN || this.#unanswered >= MAX_UNANSWERED) return true;
    return this.#begunInThisTurn >= FEW_PER_TURN && this.#turns.areCrowded;
  }

  /** A request has begun. */
  began(): void {
    this.#unanswered += 1;
    this.#inThisTurn += 1;
    this.#begunInThisTurn += 1;
    this.#turns.began(1);
    // Not at the first: a client that sends one request at a time would pay for a timer with each.
    if (this.#begunInThisTurn === FEW_PER_TURN) this.#awaitTurn();
  }

  /** The request that has just begun counts as `units` requests of this turn. */
  costs(units: number): void {
    this.#inThisTurn += units - 1;
    this.#turns.began(units - 1);
    if (this.#inThisTurn >= REQUESTS_PER_TURN / 2) this.#awaitTurn();
  }

  /** The oldest request has its whole answer. */
  answered(): void {
    this.#unanswered -= 1;
    if (this.#unanswered === FEW_UNANSWERED) this.#awaitTurn();
    if (this.#unanswered === 0 && this.#onAnswered !== undefined) process.nextTick(this.#onAnswered);
  }

  /** The newest request was the last one. */
  end(): void {
    this.#isEnding = true;
  }

  /** Ends the pipeline, and calls back once when all requests are answered. */
  endWith(onAnswered: () => void): void {
    this.#isEnding = true;
    if (this.#unanswered === 0) onAnswered();
    else this.#onAnswered = onAnswered;
  }

  #awaitTurn(): void {
    if (this.#isTurnAwaited) return;
    this.#isTurnAwaited = true;
    this.#turns.wait(this.#beginTurn);
  }

  readonly #beginTurn = (): void => {
    this.#isTurnAwaited = false;
    this.#inThisTurn = 0;
    this.#begunInThisTurn = 0;
    if (!this.isFull) this.#onRoom();
  };
}
