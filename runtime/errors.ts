import { hideCredentials } from './redact.ts';

/**
 * The base of every error that this system throws on purpose.
 *
 * `code` is stable and machine-readable. `message` is for a person and names the setting or the part at
 * fault. `cause` is the underlying error. Errors of a driver are translated once, in the folder that imports
 * the driver.
 */
export class KeymillError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }

  /** Lines that a terminal prints below the message, such as the end of a log. */
  get details(): readonly string[] {
    return [];
  }
}

/** A wait has reached its deadline. The awaited event may still happen: the outcome is unknown. */
export class DeadlineError extends KeymillError {
  readonly timeoutMs: number;

  constructor(what: string, timeoutMs: number) {
    super('DEADLINE', `${what} did not answer within ${timeoutMs} ms`);
    this.timeoutMs = timeoutMs;
  }
}

/** The message of any thrown value, for a log line or a terminal. Passwords in addresses are hidden. */
export function messageOf(error: unknown): string {
  return hideCredentials(error instanceof Error ? error.message : String(error));
}

/** The stable code of any thrown value: ours, Node's (`ECONNREFUSED`), or `UNKNOWN`. */
export function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return 'UNKNOWN';
}
