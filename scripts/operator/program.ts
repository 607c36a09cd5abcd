import { Command, CommanderError } from 'commander';
import { ConfigError } from '../../runtime/config/env.ts';
import { KeymillError } from '../../runtime/errors.ts';
import manifest from '../../package.json' with { type: 'json' };
import { RefusedError } from './errors.ts';
import type { Terminal } from './terminal/terminal.ts';
import { addDrillCommand } from '../drills/command.ts';
import { addLocksCommand } from './locks.ts';
import { addPoolsCommand } from './pools.ts';
import { addAuditCommand } from './audit.ts';
import { addBenchCommand } from './bench.ts';
import { addKeysCommand } from './keys.ts';
import { addProducersCommand } from './producers.ts';
import { addStatusCommand } from './status.ts';
import { addWhereCommand } from './where.ts';
import { addZkCommand } from './zk.ts';
import { addZookeeperCommand } from './zookeeper.ts';

/** The operator's command with all its subcommands; building it does nothing yet. */
export function createProgram(terminal: Terminal): Command {
  const program = new Command('keymill')
    .description('Looks at a Keymill cluster, and does to it what only a person should decide.')
    .version(manifest.version, '--version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .addHelpText(
      'after',
      '\nThe cluster is the one that ./scripts/up runs, or the one that the KEYMILL_ variables describe.\n' +
        'Exit code: 0 done, 1 done with a bad result or refused, 2 wrong usage or nobody answered.',
    )
    .showHelpAfterError('(keymill --help shows what there is)')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void terminal.stderr.write(text),
    });
  const commands = [
    addStatusCommand,
    addLocksCommand,
    addPoolsCommand,
    addProducersCommand,
    addWhereCommand,
    addKeysCommand,
    addAuditCommand,
    addZookeeperCommand,
    addZkCommand,
    addDrillCommand,
    addBenchCommand,
  ];
  for (const add of commands) add(program, terminal);
  return program;
}

/**
 * Runs one command line. Never throws: an error becomes one plain message on stderr.
 * @returns the exit code
 */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    await createProgram(terminal).parseAsync([...args], { from: 'user' });
    return terminal.exitCode;
  } catch (error) {
    // Commander has printed help, version or its complaint already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    terminal.stderr.write(`keymill: ${describe(error)}\n`);
    return error instanceof RefusedError ? 1 : 2;
  }
}

/** What an operator needs to know; the stack only of what nobody foresaw. */
function describe(error: unknown): string {
  if (error instanceof ConfigError || error instanceof KeymillError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
