import { Command, CommanderError } from 'commander';
import { KeymillError } from '../errors.ts';
import { hideCredentials } from '../redact.ts';
import { RefusedError } from './errors.ts';
import type { Terminal } from './terminal.ts';

/** Creates the program `keymill` without commands. It writes to `terminal` and never ends the process. */
export function createProgram(terminal: Terminal): Command {
  return new Command('keymill')
    .helpOption('-h, --help', 'show help')
    .showHelpAfterError('(keymill --help lists the commands)')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void terminal.stderr.write(text),
    });
}

/**
 * Runs one command line. Never throws: an error becomes a message on stderr.
 * @returns the exit code: 0 done, 1 done with a bad result or refused, 2 wrong usage or unreachable
 */
export async function runCommandLine(
  program: Command,
  args: readonly string[],
  terminal: Terminal,
): Promise<number> {
  try {
    await program.parseAsync([...args], { from: 'user' });
    return terminal.exitCode;
  } catch (error) {
    // Commander has already printed the help, the version or the fault.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    terminal.stderr.write(`keymill: ${hideCredentials(describe(error))}\n`);
    return error instanceof RefusedError ? 1 : 2;
  }
}

/** The message of an error that we throw on purpose; the stack of any other error, which is a bug. */
function describe(error: unknown): string {
  if (error instanceof KeymillError) return [error.message, ...error.details].join('\n  ');
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
