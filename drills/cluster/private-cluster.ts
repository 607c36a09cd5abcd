import { bringUp } from '../../scripts/cluster/bring-up.ts';
import { takeLock } from '../../scripts/cluster/lock.ts';
import { parseUpOptions } from '../../scripts/cluster/options.ts';
import type { ProgressLog } from '../../scripts/cluster/progress-log.ts';
import type { RunDir } from '../../scripts/cluster/run-dir.ts';
import { State } from '../../scripts/cluster/state.ts';
import { stopCluster } from '../../scripts/cluster/stop.ts';

/** `faultable`: with a proxy in front of every server. `small`: of `up --small`. */
export type ClusterKind = 'usual' | 'faultable' | 'small';

const OPTIONS: Readonly<Record<ClusterKind, readonly string[]>> = {
  usual: [],
  faultable: ['--faultable'],
  small: ['--small'],
};

/** Starts a cluster for drills in `runDir`, after removing what an earlier one left there. */
export async function startPrivateCluster(
  runDir: RunDir,
  kind: ClusterKind,
  progress: ProgressLog,
  signal: AbortSignal,
): Promise<void> {
  await endPrivateCluster(runDir, progress);
  const lock = await takeLock(runDir, () => waiting(progress), signal);
  try {
    const options = parseUpOptions(['--detach', ...OPTIONS[kind]]);
    await bringUp(options, { runDir, state: State.open(runDir), progress, signal });
  } finally {
    lock.release();
  }
}

/** Takes the cluster down and deletes its data. */
export async function endPrivateCluster(runDir: RunDir, progress: ProgressLog): Promise<void> {
  const state = State.find(runDir);
  if (state === undefined) return;
  const lock = await takeLock(runDir, () => waiting(progress));
  try {
    await stopCluster(runDir, state, progress);
  } finally {
    lock.release();
    runDir.wipe();
  }
}

function waiting(progress: ProgressLog): void {
  progress.line('waiting until another up or down ends …');
}
