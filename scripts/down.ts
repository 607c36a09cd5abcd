import { Command, CommanderError } from 'commander';
import { messageOf } from '../runtime/errors.ts';
import { tolerateClosedOutput } from '../runtime/terminal/process-terminal.ts';
import { takeLock } from './cluster/lock.ts';
import { ProgressLog } from './cluster/progress-log.ts';
import { RunDir } from './cluster/run-dir.ts';
import { refuseOtherUser } from './cluster/service-settings.ts';
import { State } from './cluster/state.ts';
import { stopCluster } from './cluster/stop.ts';
import { downContainers, findContainerMark } from './containers/up.ts';
import { signalProcess } from './servers/identity.ts';

function parseOptions(argv: readonly string[]): { wipe: boolean } {
  const command = new Command('./scripts/down')
    .description(
      'Stops everything that ./scripts/up started, and nothing else. The data is kept for the next ./scripts/up.',
    )
    .option('--wipe', 'also delete the data, the logs and the secrets', false)
    .helpOption('-h, --help', 'show this help')
    // Without this, commander adds "(default: false)" to the flag.
    .configureHelp({ optionDescription: ({ description }) => description })
    .allowExcessArguments(false)
    .configureOutput({ outputError: (text, write) => write(`keymill: ${text.replace(/^error: /, '')}`) })
    .exitOverride((error) => {
      process.exitCode = error.exitCode === 0 ? 0 : 2;
      throw error;
    });
  command.parse(argv, { from: 'user' });
  return command.opts<{ wipe: boolean }>();
}

/** Interrupts an `up` that is still starting processes. That `up` then stops them. */
function interruptUp(runDir: RunDir, progress: ProgressLog): void {
  const up = State.find(runDir)?.up;
  const isInterrupted = up !== undefined && signalProcess(up, 'SIGTERM');
  progress.line(
    isInterrupted ? 'interrupting the running up …' : 'waiting for another up or down to finish …',
  );
}

async function main(): Promise<void> {
  const { wipe } = parseOptions(process.argv.slice(2));
  const runDir = new RunDir();
  const progress = new ProgressLog();
  refuseOtherUser(runDir, './scripts/down');
  const lock = await takeLock(runDir, () => interruptUp(runDir, progress));
  try {
    if (findContainerMark(runDir) !== undefined) {
      await downContainers(runDir, progress, { isWiped: wipe });
      if (wipe) runDir.wipe();
      progress.line(`everything is stopped; ${wipe ? 'the data is deleted' : 'the data is kept'}`);
      return;
    }
    const state = State.find(runDir);
    const isRunning = state !== undefined && state.processes().length > 0;
    if (state !== undefined) await stopCluster(runDir, state, progress);
    if (wipe) runDir.wipe();
    const outcome = isRunning ? 'everything is stopped' : 'nothing was running';
    progress.line(`${outcome}; ${wipe ? 'the data is deleted' : 'the data is kept'}`);
  } finally {
    lock.release();
  }
}

tolerateClosedOutput();
// Ctrl-C does not interrupt `down`: a half-stopped cluster is worse than a stopped one.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
try {
  await main();
} catch (error) {
  if (!(error instanceof CommanderError)) {
    process.stderr.write(`keymill: ${messageOf(error)}\n`);
    process.exitCode = 1;
  }
}
