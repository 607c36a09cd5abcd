import { pauseQuietly } from './retry.ts';

/**
 * Repeats `work` with a pause of `everyMs` after each run, until `signal` is aborted. The pause may change
 * from one run to the next.
 * @param work must not reject, and must end within a bounded time
 */
export async function pollEvery(
  everyMs: number | (() => number),
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    await work();
    await pauseQuietly(typeof everyMs === 'number' ? everyMs : everyMs(), signal);
  }
}
