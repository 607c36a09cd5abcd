import type { Terminal } from './terminal.ts';

/**
 * Runs `work` with the terminal of this process, then ends the process with the exit code that `work`
 * returns.
 *
 * The process ends even when a driver has left a handle open. Its output is flushed first. A reader that
 * closes the pipe early (`keymill status | head`) causes no error.
 */
export async function runOnTerminal(
  env: Terminal['env'],
  work: (terminal: Terminal) => Promise<number>,
): Promise<never> {
  tolerateClosedOutput();
  stopWithParent();
  const { stdout, stderr } = process;
  const exitCode = await work({
    env,
    // Opened only by a command that reads it.
    get input() {
      return process.stdin;
    },
    stdout,
    stderr,
    isInteractive: stderr.isTTY,
    exitCode: 0,
  });
  await new Promise((resolve) => stdout.write('', resolve));
  process.exit(exitCode);
}

/**
 * When the process that started this one with a channel has died, the program stops as after SIGTERM:
 * whatever it has broken or started is put right.
 */
function stopWithParent(): void {
  if (process.channel === undefined) return;
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.channel.unref();
}

/** From now on, a reader that closes the pipe early (`up | head`) does not end the process. */
export function tolerateClosedOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}
