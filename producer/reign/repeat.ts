import { isContradiction } from '../../db/store-errors.ts';
import type { Log } from '../../runtime/log.ts';
import { withDeadline } from '../../runtime/retry.ts';
import { Failures } from './failures.ts';
import { whenWritable, type WriteGate } from './write-gate.ts';

export interface RepeatOptions {
  /** Names the work in errors and in the log line "… does not answer; repeating". */
  readonly what: string;
  readonly gate: WriteGate;
  readonly log: Log;
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 5_000;

/**
 * Repeats idempotent work on one store until it succeeds, pausing while the session is suspended.
 *
 * @returns undefined when aborted
 * @throws FencedError, MismatchError, ImpossibleValueError: repeating does not help
 */
export async function repeatUntilDone<T>(
  { what, gate, log, timeoutMs = TIMEOUT_MS }: RepeatOptions,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T | undefined> {
  const failures = new Failures(log);
  for (;;) {
    await whenWritable(gate, signal);
    if (signal.aborted) return undefined;
    try {
      return await withDeadline(what, timeoutMs, work, signal);
    } catch (error) {
      if (isContradiction(error)) throw error;
      await failures.pauseAfter(error, `${what} does not answer; repeating`, signal);
    }
  }
}
