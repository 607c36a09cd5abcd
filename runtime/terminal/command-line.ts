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
 * Runs one command line. Never throws: an error becomes a message on stderr, and with `--json` also the
 * document on stdout.
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
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    if (!(error instanceof CommanderError))
      terminal.stderr.write(`keymill: ${hideCredentials(describe(error))}\n`);
    printError(terminal, args, error);
    return error instanceof RefusedError ? 1 : 2;
  }
}

/** With `--json`, stdout is one document however a command ends: `{"error":{"code","message","details"}}`. */
export function printError(terminal: Terminal, args: readonly string[], error: unknown): void {
  const [end] = [args.indexOf('--'), args.length].filter((index) => index >= 0);
  if (terminal.hasDocument === true || !args.slice(0, end).includes('--json')) return;
  const { code, message, details } = toEntry(error);
  const entry = { code, message: hideCredentials(message), details: details.map(hideCredentials) };
  terminal.hasDocument = true;
  // In one line, as `status --watch --json` prints all of its documents.
  terminal.stdout.write(`${JSON.stringify({ error: entry })}\n`);
}

function toEntry(error: unknown): Pick<KeymillError, 'code' | 'message' | 'details'> {
  if (error instanceof KeymillError) return error;
  const { message } = error instanceof Error ? error : new Error(String(error));
  const isUsage = error instanceof CommanderError;
  return { code: isUsage ? 'USAGE' : 'INTERNAL', message: message.replace(/^error: /, ''), details: [] };
}

/** The message of an error that we throw on purpose; the stack of any other error, which is a bug. */
function describe(error: unknown): string {
  if (error instanceof KeymillError) return [error.message, ...error.details].join('\n  ');
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
