import { AnswerDeadline } from '../../runtime/answer-deadline.ts';
import { Problem } from '../http/problem.ts';
import type { FailureLimit } from './failure-limit.ts';
import { createLimit, type Limit } from './rate-policy.ts';

const MOST_WRONG = 10;
const WINDOW_MS = 600_000;
/** Passwords of one client that are compared at the same time, for all links. The next ones wait. */
const MOST_COMPARED = 2;
/** Of one client; further ones are refused. */
const MOST_WAITING = 100;
/** Of one password. The deadline of its visitor bounds this and the comparison together. */
const WAIT_MS = 2_000;
/** For a client that is told to try again. */
const RETRY_AFTER_S = '2';

/** Ten wrong passwords in ten minutes, for each link and client. */
export function createGuessLimit(): Limit {
  return createLimit('link-password', MOST_WRONG, WINDOW_MS);
}

/** A password that is being compared. Dispose of it when that is over, whatever has come of it. */
export interface Guess extends Disposable {
  /** It was wrong. */
  wrong(): void;
}

export interface GuessLimitOptions {
  readonly failures: Pick<FailureLimit, 'failed' | 'leftOf' | 'refusalOf'>;
  /** Only tests have another. */
  readonly waitMs?: number;
}

/** The guesses of one client that are not over. */
interface Turns {
  compared: number;
  readonly waiting: Set<() => void>;
}

const FREE: Guess = { wrong: () => undefined, [Symbol.dispose]: () => undefined };

/**
 * The limit of wrong passwords for each link and client. A password that is being compared may turn out to be
 * a wrong one, so no more are compared than may still be wrong: the others wait for that. So a client cannot
 * have any number compared at the same time, not even by links of its own, and people behind one address who
 * all know the password get in.
 *
 * What may still be wrong is what this process has counted, also where counts are shared: the total comes
 * with the answer to a wrong one, and nobody waits for that.
 */
export class GuessLimit {
  readonly #options: GuessLimitOptions;
  /** By client. */
  readonly #turns = new Map<string, Turns>();

  constructor(options: GuessLimitOptions) {
    this.#options = options;
  }

  /**
   * A client wants a password of a link to be compared. Resolves when it is its turn.
   * @param client undefined: it has no limits
   * @throws Problem 429 after too many wrong ones, 503 when its guesses before were compared too slowly
   */
  async begin(key: string, client: string | undefined): Promise<Guess> {
    if (client === undefined) return FREE;
    const { failures, waitMs = WAIT_MS } = this.#options;
    const who = `${key} ${client}`;
    using wait = new Wait(waitMs);
    for (;;) {
      const left = failures.leftOf(who);
      if (left === 0) throw failures.refusalOf(who);
      const turns = this.#turns.get(client) ?? { compared: 0, waiting: new Set() };
      if (turns.compared < Math.min(left, MOST_COMPARED)) return this.#compare({ who, client, turns });
      // Those behind this address may have guessed nothing.
      if (turns.waiting.size >= MOST_WAITING || !(await wait.in(turns.waiting))) throw tooMany();
    }
  }

  #compare({ who, client, turns }: { who: string; client: string; turns: Turns }): Guess {
    turns.compared += 1;
    this.#turns.set(client, turns);
    return {
      wrong: () => this.#options.failures.failed(who),
      [Symbol.dispose]: () => {
        turns.compared -= 1;
        if (turns.compared === 0) this.#turns.delete(client);
        // They look again how many may be compared, in the order in which they came.
        for (const resume of turns.waiting) resume();
        turns.waiting.clear();
      },
    };
  }
}

function tooMany(): Problem {
  return new Problem('overloaded', {
    detail: 'Too many passwords of this client wait at this moment.',
    headers: { 'Retry-After': RETRY_AFTER_S },
  });
}

/** The wait of one guess, which may be resumed several times. */
class Wait implements Disposable {
  readonly #ms: number;
  #deadline: AnswerDeadline | undefined;
  #isOver = false;
  #end = (): void => undefined;

  constructor(ms: number) {
    this.#ms = ms;
  }

  /** @returns false when the time was over first */
  async in(waiting: Set<() => void>): Promise<boolean> {
    if (this.#isOver) return false;
    this.#deadline ??= new AnswerDeadline(this.#ms, () => {
      this.#isOver = true;
      this.#end();
    });
    return new Promise((resolve) => {
      const resume = (): void => resolve(true);
      waiting.add(resume);
      this.#end = () => {
        waiting.delete(resume);
        resolve(false);
      };
    });
  }

  [Symbol.dispose](): void {
    this.#deadline?.clear();
  }
}
