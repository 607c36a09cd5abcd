import { pauseQuietly, withDeadline } from './retry.ts';

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

/** What is asked of a store that answers is done sooner. */
const LAST_WORK_MS = 1_000;

/**
 * Waits a second for polls that were told to stop. One that still asks a store that hangs ends by itself,
 * or when its connections are closed: whoever stops need not wait for its time-out. Never rejects.
 */
export async function endPolls(...polls: readonly Promise<unknown>[]): Promise<void> {
  await withDeadline('the last round', LAST_WORK_MS, async () => Promise.all(polls)).catch(() => undefined);
}
