import { Problem } from '../http/problem.ts';

/** What compares passwords with hashes. */
export interface PasswordComparer {
  /** @throws Problem 503 when too many wait */
  matches(password: string, hash: string, client: string | undefined): Promise<boolean>;
}

/** The limit of wrong passwords. */
export interface GuessLimiter {
  /** Dispose of what it resolves to when the password has been compared. @throws Problem 429 */
  begin(key: string, client: string | undefined): Promise<Disposable & { wrong(): void }>;
}

export interface PasswordGateOptions {
  readonly passwords: PasswordComparer;
  readonly guesses: GuessLimiter;
}

/** Somebody before a link with a password. */
export interface Asking {
  readonly key: string;
  readonly passwordHash: string;
  /** undefined, or empty: none was sent. */
  readonly password: string | undefined;
  /** undefined: it has no limits. */
  readonly client: string | undefined;
}

/** Lets those follow a link who know its password. */
export class PasswordGate {
  readonly #options: PasswordGateOptions;

  constructor(options: PasswordGateOptions) {
    this.#options = options;
  }

  /** @throws Problem 401 without the password, 429 after too many wrong ones, 503 when too many wait */
  async pass({ key, passwordHash, password, client }: Asking): Promise<void> {
    if (password === undefined || password === '') throw new Problem('link-password-needed');
    const { passwords, guesses } = this.#options;
    using guess = await guesses.begin(key, client);
    if (await passwords.matches(password, passwordHash, client)) return;
    guess.wrong();
    throw new Problem('wrong-link-password');
  }
}
