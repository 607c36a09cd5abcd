import { MAX_UNANSWERED, REQUESTS_PER_TURN } from './limits.ts';

/** Reading goes on when this many are unanswered, so that it is not stopped again by the next request. */
const FEW_UNANSWERED = MAX_UNANSWERED / 2;

/**
 * The rules for the requests of one connection, whoever parses them:
 *
 * - One turn of the event loop begins at most {@link REQUESTS_PER_TURN}, so that other connections have their
 *   turn. A request that costs more work counts as several.
 * - At most {@link MAX_UNANSWERED} are unanswered.
 * - After a request whose answer closes the connection, no other begins (RFC 9112, 9.6).
 *
 * The parser asks `isEnding` before it begins a request and `isFull` after it. When the pipeline is full, the
 * parser stops; `onRoom` is called when it may go on.
 */
export class Pipeline {
  readonly #onRoom: () => void;
  #unanswered = 0;
  #inThisTurn = 0;
  #isTurnAwaited = false;
  #isEnding = false;
  #onAnswered: (() => void) | undefined;

  constructor(onRoom: () => void) {
    this.#onRoom = onRoom;
  }

  /** Whether no request may begin any more: the connection closes after the answers that are due. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** Whether no request may begin now. */
  get isFull(): boolean {
    return this.#inThisTurn >= REQUESTS_PER_TURN || this.#unanswered >= MAX_UNANSWERED;
  }

  /** A request has begun. */
  began(): void {
    this.#unanswered += 1;
    this.#inThisTurn += 1;
    // Not at the first: a client that sends one request at a time would pay for a timer with each.
    if (this.#inThisTurn === REQUESTS_PER_TURN / 2) this.#awaitTurn();
  }

  /** The request that has just begun counts as `units` requests of this turn. */
  costs(units: number): void {
    this.#inThisTurn += units - 1;
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
    setImmediate(this.#beginTurn);
  }

  readonly #beginTurn = (): void => {
    this.#isTurnAwaited = false;
    this.#inThisTurn = 0;
    if (!this.isFull) this.#onRoom();
  };
}
