import { setTimeout as delay } from 'node:timers/promises';
import type { ContainerClusterFile } from '../cluster/cluster-file.ts';
import { takeLock } from '../cluster/lock.ts';
import type { UpOptions } from '../cluster/options.ts';
import type { ProgressLog } from '../cluster/progress-log.ts';
import type { RunDir } from '../cluster/run-dir.ts';
import { abortedByStopSignals } from './stop-signals.ts';
import { downContainers, findContainerMark, upContainers } from './up.ts';

/**
 * `./scripts/up --containers` in a terminal. Ctrl-C cancels the start or stops the cluster, and keeps the
 * data.
 */
export async function upInContainers(
  options: UpOptions,
  runDir: RunDir,
  progress: ProgressLog,
): Promise<void> {
  const signal = abortedByStopSignals();
  const reportWait = (): void => progress.line('waiting for another up or down to finish …');
  const lock = await takeLock(runDir, reportWait, signal);
  try {
    const { file } = await upContainers(options, { runDir, progress, signal });
    printSummary({ file, runDir, progress, isDetached: options.detach });
  } catch (error) {
    if (signal.aborted && findContainerMark(runDir) !== undefined)
      await downContainers(runDir, progress, { isWiped: false });
    throw error;
  } finally {
    lock.release();
  }
  if (options.detach) return;
  while (!signal.aborted && findContainerMark(runDir) !== undefined)
    await delay(500, undefined, { signal }).catch(() => undefined);
  const again = await takeLock(runDir, reportWait);
  try {
    if (findContainerMark(runDir) !== undefined) await downContainers(runDir, progress, { isWiped: false });
    progress.line('stopped; the data is kept');
  } finally {
    again.release();
  }
}

interface Summary {
  readonly file: ContainerClusterFile;
  readonly runDir: RunDir;
  readonly progress: ProgressLog;
  readonly isDetached: boolean;
}

function printSummary({ file, runDir, progress, isDetached }: Summary): void {
  const members = [
    ...file.mappers,
    ...file.producers,
    ...file.zookeeper.servers,
    ...file.redis,
    ...file.mysql,
  ];
  const lines = [
    '',
    `Ready after ${progress.seconds.toFixed(1)} s: ${file.publicUrl}`,
    '',
    ...members.map(({ container }) => `  ${container}`),
    '',
    `Passwords and admin token: ${runDir.clusterFile}`,
    '',
    `  curl -s ${file.publicUrl}/urls -H 'content-type: application/json' \\`,
    `    -d '{"long_url":"https://example.com/hello"}'`,
    '  ./scripts/keymill status',
    ...(file.keySource === 'counter' ? [] : ['  ./scripts/up --containers --mappers 4 --detach']),
    isDetached
      ? '  ./scripts/down                 (keeps the data; --wipe deletes it)'
      : 'Ctrl-C stops the cluster and keeps the data.',
    '',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
