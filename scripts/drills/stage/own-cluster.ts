import { bringUp } from '../../cluster/bring-up.ts';
import { takeLock } from '../../cluster/lock.ts';
import { parseUpOptions } from '../../cluster/options.ts';
import type { Progress } from '../../cluster/progress.ts';
import type { RunDir } from '../../cluster/run-dir.ts';
import { State } from '../../cluster/state.ts';
import { stopCluster } from '../../cluster/stop.ts';

/** Starts a cluster in `runDir`, works with it, and takes it down again with all its data, whatever happened. */
export async function withOwnCluster<T>(
  runDir: RunDir,
  progress: Progress,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const waiting = (): void => progress.line('waiting for another up or down to finish …');
  let lock = await takeLock(runDir, waiting, signal);
  const state = State.open(runDir);
  try {
    await bringUp(parseUpOptions(['--detach']), runDir, state, progress, signal);
    lock.release();
    const result = await work();
    lock = await takeLock(runDir, waiting);
    return result;
  } finally {
    const latest = State.find(runDir);
    if (latest !== undefined) await stopCluster(runDir, latest, progress);
    lock.release();
    runDir.wipe();
  }
}
