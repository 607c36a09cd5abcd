import { pauseQuietly } from './retry.ts';

/**
 * Repeats `work` with a pause of `everyMs` after each run, until `signal` is aborted.
 * @param work must not reject, and must end within a bounded time
 */
export async function pollEvery(
  everyMs: number,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    await work();
    await pauseQuietly(everyMs, signal);
  }
}
