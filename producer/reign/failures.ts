import { FencedError } from '../../db/store-errors.ts';
import type { Log } from '../../runtime/log.ts';
import { delayFor, pauseQuietly, type Backoff } from '../../runtime/retry.ts';

/** Counts the failures in a row of a loop that repeats its work until the reign ends. */
export class Failures {
  readonly #log: Log;
  readonly #backoff: Backoff;
  #inARow = 0;

  constructor(log: Log, backoff: Backoff = { baseMs: 50, maxMs: 2_000 }) {
    this.#log = log;
    this.#backoff = backoff;
  }

  /** The work succeeded: the next failure is a first one, and is logged. */
  forget(): void {
    this.#inARow = 0;
  }

  /**
   * Logs only the first of several failures in a row, and none without a message. Pauses, longer after each.
   * Does nothing when aborted.
   *
   * @throws FencedError, handed in as `error`: repeating does not help
   */
  async pauseAfter(error: unknown, message: string | undefined, signal: AbortSignal): Promise<void> {
    if (error instanceof FencedError) throw error;
    if (signal.aborted) return;
    if (this.#inARow === 0 && message !== undefined) this.#log.warn({ error }, message);
    this.#inARow += 1;
    await pauseQuietly(delayFor(this.#inARow - 1, this.#backoff), signal);
  }
}
