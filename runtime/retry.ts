import { setTimeout as delay } from 'node:timers/promises';
import { AnswerDeadline } from './answer-deadline.ts';
import { DeadlineError } from './errors.ts';

/**
 * Runs `work`. Rejects with {@link DeadlineError} after `timeoutMs`, even if `work` ignores its signal. Time
 * in which the event loop was late does not count ({@link AnswerDeadline}).
 *
 * The signal passed to `work` is aborted at the deadline, and with `parent`, so that the work can stop. A
 * late result is dropped. Where it matters (a take, an insert), the caller must keep the promise of the work.
 *
 * @param what names the work in the error: "redis-1", "claim on keys-db-2"
 */
export async function withDeadline<T>(
  what: string,
  timeoutMs: number,
  work: (signal: AbortSignal) => Promise<T>,
  parent?: AbortSignal,
): Promise<T> {
  parent?.throwIfAborted();
  const controller = new AbortController();
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const stop = (reason: unknown): void => {
    reject(reason);
    controller.abort(reason);
  };
  const deadline = new AnswerDeadline(timeoutMs, () => stop(new DeadlineError(what, timeoutMs)));
  const onParentAbort = (): void => stop(parent?.reason);
  parent?.addEventListener('abort', onParentAbort, { once: true });
  try {
    return await Promise.race([work(controller.signal), stopped]);
  } finally {
    deadline.clear();
    parent?.removeEventListener('abort', onParentAbort);
  }
}

/** Waits `ms`; rejects with the signal's reason when it is aborted first. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, signal ? { signal } : {});
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/**
 * Like {@link pause}, for loops that check the signal themselves: an abort ends the wait without an error.
 */
export async function pauseQuietly(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}

export interface Backoff {
  readonly baseMs: number;
  readonly maxMs: number;
}

/**
 * Pause before attempt `attempt` (0 = the first retry), in ms: random in the upper half of a ceiling that
 * doubles from `baseMs` to `maxMs`. Pure, given `random` in [0, 1).
 */
export function delayFor(
  attempt: number,
  { baseMs, maxMs }: Backoff,
  random: number = Math.random(),
): number {
  const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 30));
  return ceiling / 2 + (ceiling / 2) * random;
}
