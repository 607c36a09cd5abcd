import type { ImportJob } from '../../db/accounts/import-job.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { restAfter } from '../../runtime/pace.ts';
import { pause } from '../../runtime/retry.ts';
import type { AskJobs } from './job.ts';

/** What the reader gets at a time: some 2 ms of work, in which this process answers nothing else. */
const SLICE_BYTES = 16_384;

/**
 * The bytes of an uploaded file, in small slices. After each one there is a rest, four times as long as the
 * work on it took, so that redirects and shortens go on.
 * @param onSlice awaited before each slice
 * @throws the error of `onSlice`; Problem 503; the reason of the signal
 */
export async function* slicesOf(
  { id, bytes }: Pick<ImportJob, 'id' | 'bytes'>,
  { ask, onSlice, signal }: { ask: AskJobs; onSlice: () => Promise<void>; signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  let read = 0;
  for (let number = 0; read < bytes; number += 1) {
    const piece = await ask(async (jobs) => jobs.readPiece(id, number));
    if (piece === undefined) throw new Error(`piece ${number} of the file is missing`);
    read += piece.length;
    for (let at = 0; at < piece.length; at += SLICE_BYTES) {
      await onSlice();
      const startedMs = monotonicMs();
      yield piece.subarray(at, at + SLICE_BYTES);
      await pause(Math.max(1, restAfter(monotonicMs() - startedMs)), signal);
    }
  }
}
