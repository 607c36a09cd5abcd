import { Problem, invalidFields } from '../http/problem.ts';
import type { PasswordAnswer, PasswordProcess } from './password-process.ts';
import { COMMON_PASSWORD, NO_PASSWORD, normalisePassword } from './password-rules.ts';

/** Hashes and compares passwords, outside of this process. */
export class Passwords {
  readonly #process: Pick<PasswordProcess, 'run'>;

  constructor(process: Pick<PasswordProcess, 'run'>) {
    this.#process = process;
  }

  /**
   * @param field of the request, for the answer when the password is a common one
   * @throws Problem 422 for a common password, 503 when too many wait
   */
  async hash(password: string, field: string): Promise<string> {
    return hashOf(
      await this.#process.run({ queue: 'sign-ins', password: normalisePassword(password) }),
      field,
    );
  }

  /**
   * Compares a password, and hashes the one that replaces it: one piece of work, so its caller waits once.
   * @param field of the request that has the new one
   * @returns the new hash; undefined when the current password is wrong
   * @throws Problem 422 for a common new password, 503 when too many wait
   */
  async replace(
    { current, stored, next }: { current: string; stored: string; next: string },
    field: string,
  ): Promise<string | undefined> {
    const answer = await this.#process.run({
      queue: 'sign-ins',
      password: normalisePassword(current),
      stored,
      next: normalisePassword(next),
    });
    return 'isRight' in answer ? undefined : hashOf(answer, field);
  }

  /**
   * @param stored undefined when there is no such user: that takes as long as a wrong password
   * @throws Problem 503 when too many wait
   */
  async isRight(password: string, stored: string | undefined): Promise<boolean> {
    const answer = await this.#process.run({
      queue: 'sign-ins',
      password: normalisePassword(password),
      stored: stored ?? NO_PASSWORD,
    });
    if ('isRight' in answer) return answer.isRight && stored !== undefined;
    throw failed(answer);
  }
}

function hashOf(answer: PasswordAnswer, field: string): string {
  if ('isCommon' in answer) throw invalidFields([{ field, reason: COMMON_PASSWORD }]);
  if ('hash' in answer) return answer.hash;
  throw failed(answer);
}

function failed(cause: unknown): Problem {
  return new Problem('internal', { cause });
}
