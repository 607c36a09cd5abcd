import { monotonicMs } from '../../runtime/clock.ts';
import { Problem } from '../http/problem.ts';
import type { PasswordAnswer, PasswordProcess } from './password-process.ts';
import { normalisePassword, whyNoPassword } from './password-rules.ts';
import { RightPasswords } from './right-passwords.ts';

/**
 * Passwords of one link that are compared or wait for it at the same time. Further ones are refused, so that
 * guesses at one link leave places for the passwords of others.
 */
const MAX_OF_LINK = 8;
/** For a client that is told to try again. */
const RETRY_AFTER_S = '2';

/**
 * Hashes and compares the passwords of links, outside of this process. Who follows a link waits neither for
 * people who sign in nor for those who make links.
 */
export class LinkPasswords {
  readonly #process: Pick<PasswordProcess, 'run'>;
  readonly #right: RightPasswords;
  /** Those that are compared now, so that visitors with the same password share the work. */
  readonly #comparing = new Map<string, Promise<boolean>>();
  /** How many are compared for each hash. */
  readonly #ofLink = new Map<string, number>();

  /** @param right those that were right lately */
  constructor(process: Pick<PasswordProcess, 'run'>, right = new RightPasswords(monotonicMs)) {
    this.#process = process;
    this.#right = right;
  }

  /**
   * Also of a common password.
   * @param ownerId of the link; null: nobody
   * @throws Problem 503 when too many wait
   */
  async hash(password: string, ownerId: bigint | null): Promise<string> {
    const answer = await this.#process.run({
      queue: 'link-hashes',
      who: String(ownerId),
      password: normalisePassword(password),
      mayBeCommon: true,
    });
    if ('hash' in answer) return answer.hash;
    throw failed(answer);
  }

  /**
   * Whether a password has this hash. One that was right in the last ten minutes is compared in memory. Any
   * other takes the time of a hash, so that nobody can try many.
   * @param client who has sent it; undefined: it has no limits
   * @throws Problem 503 when too many wait, of this link or of all
   */
  async matches(password: string, hash: string, client: string | undefined): Promise<boolean> {
    if (whyNoPassword(password) !== undefined) return false;
    const normal = normalisePassword(password);
    if (this.#right.has(normal, hash)) return true;
    const name = `${hash} ${normal}`;
    const running = this.#comparing.get(name);
    if (running !== undefined) return running;
    const comparing = this.#compare(normal, hash, client).finally(() => this.#comparing.delete(name));
    this.#comparing.set(name, comparing);
    return comparing;
  }

  async #compare(password: string, stored: string, who: string | undefined): Promise<boolean> {
    const others = this.#ofLink.get(stored) ?? 0;
    if (others >= MAX_OF_LINK) throw tooMany();
    this.#ofLink.set(stored, others + 1);
    try {
      const answer = await this.#process.run({ queue: 'link-compares', who, password, stored });
      if (!('isRight' in answer)) throw failed(answer);
      if (answer.isRight) this.#right.add(password, stored);
      return answer.isRight;
    } finally {
      const left = (this.#ofLink.get(stored) ?? 1) - 1;
      if (left === 0) this.#ofLink.delete(stored);
      else this.#ofLink.set(stored, left);
    }
  }
}

function failed(cause: PasswordAnswer): Problem {
  return new Problem('internal', { cause });
}

function tooMany(): Problem {
  return new Problem('overloaded', {
    detail: 'Too many passwords of this link wait at this moment.',
    headers: { 'Retry-After': RETRY_AFTER_S },
  });
}
