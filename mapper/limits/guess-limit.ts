import type { FailureLimit } from './failure-limit.ts';
import { createLimit, type Limit } from './rate-policy.ts';

const MOST_WRONG = 10;
const WINDOW_MS = 600_000;
/** Passwords of one client that are compared at the same time for one link. The next ones wait. */
const MOST_COMPARED = 2;
/** Of one client and link; further ones are refused. */
const MOST_WAITING = 100;

/** Ten wrong passwords in ten minutes, for each link and client. */
export function createGuessLimit(): Limit {
  return createLimit('link-password', MOST_WRONG, WINDOW_MS);
}

/** A password that is being compared. Dispose of it when that is over, whatever has come of it. */
export interface Guess extends Disposable {
  /** It was wrong. */
  wrong(): void;
}

/** The guesses of one client at one link that are not over. */
interface Turns {
  compared: number;
  readonly waiting: (() => void)[];
}

const FREE: Guess = { wrong: () => undefined, [Symbol.dispose]: () => undefined };

/**
 * The limit of wrong passwords for each link and client. A password that is being compared may turn out to be
 * a wrong one, so no more are compared than may still be wrong: the others wait for that. So a client cannot
 * have any number compared at the same time, and people behind one address who all know the password get in.
 */
export class GuessLimit {
  readonly #failures: Pick<FailureLimit, 'failed' | 'leftOf' | 'refusalOf'>;
  readonly #turns = new Map<string, Turns>();

  constructor(failures: Pick<FailureLimit, 'failed' | 'leftOf' | 'refusalOf'>) {
    this.#failures = failures;
  }

  /**
   * A client wants a password of a link to be compared. Resolves when it is its turn.
   * @param client undefined: it has no limits
   * @throws Problem 429
   */
  async begin(key: string, client: string | undefined): Promise<Guess> {
    if (client === undefined) return FREE;
    const who = `${key} ${client}`;
    for (;;) {
      const left = this.#failures.leftOf(who);
      if (left === 0) throw this.#failures.refusalOf(who);
      const turns = this.#turns.get(who) ?? { compared: 0, waiting: [] };
      if (turns.compared < Math.min(left, MOST_COMPARED)) return this.#compare(who, turns);
      if (turns.waiting.length >= MOST_WAITING) throw this.#failures.refusalOf(who);
      await new Promise<void>((resolve) => turns.waiting.push(resolve));
    }
  }

  #compare(who: string, turns: Turns): Guess {
    turns.compared += 1;
    this.#turns.set(who, turns);
    return {
      wrong: () => this.#failures.failed(who),
      [Symbol.dispose]: () => {
        turns.compared -= 1;
        if (turns.compared === 0) this.#turns.delete(who);
        // They look again how many may be compared, in the order in which they came.
        for (const resume of turns.waiting.splice(0)) resume();
      },
    };
  }
}
