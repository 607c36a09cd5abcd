import { Problem } from '../http/problem.ts';
import type { PasswordProcess } from './password-process.ts';
import { normalisePassword } from './password-rules.ts';

/** Hashes the passwords of links, outside of this process. They do not wait for people who sign in. */
export class LinkPasswords {
  readonly #process: Pick<PasswordProcess, 'run'>;

  constructor(process: Pick<PasswordProcess, 'run'>) {
    this.#process = process;
  }

  /** Also of a common password. @throws Problem 503 when too many wait */
  async hash(password: string): Promise<string> {
    const answer = await this.#process.run({
      queue: 'links',
      password: normalisePassword(password),
      mayBeCommon: true,
    });
    if ('hash' in answer) return answer.hash;
    throw new Problem('internal', { cause: answer });
  }
}
