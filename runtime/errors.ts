/**
 * The one base of every error this system throws on purpose.
 *
 * `code` is stable and machine-readable; `message` is for a person and names the knob or the part at fault;
 * `cause` keeps what lay beneath. Drivers' own errors are translated once, at the boundary that imports the driver.
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

/** A bounded wait ran out. What was being waited for may still happen: the outcome is unknown. */
export class DeadlineError extends KeymillError {
  readonly timeoutMs: number;

  constructor(what: string, timeoutMs: number) {
    super('DEADLINE', `${what} did not answer within ${timeoutMs} ms`);
    this.timeoutMs = timeoutMs;
  }
}

/** The message of anything that was thrown, for a log line or a terminal. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The stable code of anything that was thrown: ours, Node's (`ECONNREFUSED`), or `UNKNOWN`. */
export function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return 'UNKNOWN';
}
