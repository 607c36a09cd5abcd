import { isContradiction, OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import { delayFor, pause } from '../../runtime/retry.ts';

export interface Patience {
  /** How long a server may be away. */
  readonly patienceMs: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly signal: AbortSignal;
}

const REPEAT = { baseMs: 50, maxMs: 2_000 };

/**
 * Repeats work that may be repeated, while its server is away or does not say what it did.
 * @throws the last error when the patience is over; any other error; the reason of the signal
 */
export async function untilAnswered<T>(
  work: () => Promise<T>,
  { patienceMs, now, signal }: Patience,
): Promise<T> {
  const giveUpMs = now() + patienceMs;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const isAway = error instanceof StoreUnavailableError || error instanceof OutcomeUnknownError;
      if (!isAway || isContradiction(error) || now() > giveUpMs) throw error;
      await pause(delayFor(attempt, REPEAT), signal);
    }
  }
}
