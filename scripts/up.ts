import { CommanderError } from 'commander';
import { messageOf } from '../runtime/errors.ts';
import { UsageError } from '../runtime/terminal/errors.ts';
import { tolerateClosedOutput } from '../runtime/terminal/process-terminal.ts';
import { bringUp } from './cluster/bring-up.ts';
import { Foreground } from './cluster/foreground.ts';
import { takeLock } from './cluster/lock.ts';
import { parseUpOptions, type UpOptions } from './cluster/options.ts';
import { ProgressLog } from './cluster/progress-log.ts';
import { printSummary } from './cluster/report.ts';
import { RunDir } from './cluster/run-dir.ts';
import { refuseOtherUser, shareServiceSettings } from './cluster/service-settings.ts';
import { State } from './cluster/state.ts';
import { upInContainers } from './containers/foreground.ts';
import { findContainerMark } from './containers/up.ts';
import { identityOf } from './servers/identity.ts';

async function main(): Promise<void> {
  const options = parseUpOptions(process.argv.slice(2));
  const runDir = new RunDir();
  const progress = new ProgressLog();
  refuseOtherKind(options, runDir);
  if (options.containers) return upInContainers(options, runDir, progress);
  refuseOtherUser(runDir, './scripts/up');
  const foreground = new Foreground(runDir, progress);
  const lock = await takeLock(
    runDir,
    () => progress.line('waiting for another up or down to finish …'),
    foreground.signal,
  );
  if (options.repair && (State.find(runDir)?.processes() ?? []).length === 0) {
    progress.line('the cluster was stopped, so nothing is repaired');
    lock.release();
    return;
  }
  const state = State.open(runDir);
  state.up = identityOf(process.pid);
  try {
    shareServiceSettings(runDir);
    const file = await bringUp(options, { runDir, state, progress, signal: foreground.signal });
    if (file !== undefined) printSummary({ file, runDir, progress, isDetached: options.detach });
  } finally {
    state.up = undefined;
    lock.release();
  }
  if (!options.detach) await foreground.untilStopped();
}

/** A run folder has one cluster, which consists either of processes or of containers. */
function refuseOtherKind({ containers }: UpOptions, runDir: RunDir): void {
  if (!containers && findContainerMark(runDir) !== undefined)
    throw new UsageError(
      'the cluster here runs in containers. Use ./scripts/up --containers, or delete it: ./scripts/down --wipe',
    );
  if (containers && State.find(runDir) !== undefined)
    throw new UsageError(
      'the cluster here runs as processes. Use ./scripts/up, or delete it before --containers: ./scripts/down --wipe',
    );
}

tolerateClosedOutput();
try {
  await main();
  process.exitCode ??= 0;
} catch (error) {
  if (!(error instanceof CommanderError)) {
    process.stderr.write(`keymill: ${messageOf(error)}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}
