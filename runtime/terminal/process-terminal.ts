import type { Terminal } from './terminal.ts';

/**
 * Runs `work` with the terminal of this process, then ends the process with the exit code that `work` returns.
 *
 * The process exits even when a driver has left a handle open. Output that was written is flushed first. A reader that
 * goes away (`keymill status | head`) loses the rest of the output and causes no error.
 */
export async function runOnTerminal(
  env: Terminal['env'],
  work: (terminal: Terminal) => Promise<number>,
): Promise<never> {
  tolerateClosedOutput();
  const { stdout, stderr } = process;
  const exitCode = await work({ env, stdout, stderr, isInteractive: stderr.isTTY, exitCode: 0 });
  await new Promise((resolve) => stdout.write('', resolve));
  process.exit(exitCode);
}

/** Makes the process survive a reader of its output that goes away (`up | head`): the rest of the output is lost. */
export function tolerateClosedOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}
