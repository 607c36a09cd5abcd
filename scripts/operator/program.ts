import { Command, CommanderError } from 'commander';
import { ConfigError } from '../../runtime/config/env.ts';
import { KeymillError } from '../../runtime/errors.ts';
import manifest from '../../package.json' with { type: 'json' };
import { StartError } from '../servers/process.ts';
import { RefusedError } from './errors.ts';
import type { Terminal } from './terminal/terminal.ts';

/** Puts one command, with its subcommands and options, into the program. */
type AddCommand = (program: Command, terminal: Terminal) => void;

interface CommandEntry {
  readonly summary: string;
  /** Only the command that runs is loaded: all of them with their drivers cost 0.3 s and 100 MB. */
  readonly load: () => Promise<AddCommand>;
}

const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  status: {
    summary: 'everything on one screen',
    load: async () => (await import('./status.ts')).addStatusCommand,
  },
  locks: {
    summary: 'who holds which keys-db; release a lock',
    load: async () => (await import('./locks.ts')).addLocksCommand,
  },
  pools: {
    summary: 'how many keys are ready on each Redis shard',
    load: async () => (await import('./pools.ts')).addPoolsCommand,
  },
  producers: {
    summary: 'who fills the pools; drain a producer',
    load: async () => (await import('./producers.ts')).addProducersCommand,
  },
  where: {
    summary: 'follow one key from its keys-db to its link',
    load: async () => (await import('./where.ts')).addWhereCommand,
  },
  keys: {
    summary: 'add keys to the stock',
    load: async () => (await import('./keys.ts')).addKeysCommand,
  },
  audit: {
    summary: 'account for every key that was ever issued',
    load: async () => (await import('./audit.ts')).addAuditCommand,
  },
  prepare: {
    summary: 'create the databases and bring their tables up to date',
    load: async () => (await import('./prepare.ts')).addPrepareCommand,
  },
  zookeeper: {
    summary: 'adopt a new ensemble after ZooKeeper was wiped',
    load: async () => (await import('./zookeeper.ts')).addZookeeperCommand,
  },
  zk: {
    summary: "run ZooKeeper's own zkCli.sh against the cluster",
    load: async () => (await import('./zk.ts')).addZkCommand,
  },
  drill: {
    summary: 'break something on purpose, under load, and check that nothing was lost',
    load: async () => (await import('../drills/command.ts')).addDrillCommand,
  },
  bench: {
    summary: 'measure, beside what the bare stores and machine reach',
    load: async () => (await import('./bench.ts')).addBenchCommand,
  },
  capacity: {
    summary: 'how large a cluster must be, from what was measured',
    load: async () => (await import('./capacity.ts')).addCapacityCommand,
  },
};

/** The operator's command; of its subcommands the one named by the arguments is complete, the others are there by name. */
async function createProgram(args: readonly string[], terminal: Terminal): Promise<Command> {
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
  const wanted = args[0] === 'help' ? args[1] : args[0];
  for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
    if (name === wanted) (await load())(program, terminal);
    else program.command(name).summary(summary);
  }
  return program;
}

/**
 * Runs one command line. Never throws: an error becomes one plain message on stderr.
 * @returns the exit code
 */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const program = await createProgram(args, terminal);
    await program.parseAsync([...args], { from: 'user' });
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
  if (error instanceof StartError) return [error.message, ...error.lastLines].join('\n  ');
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
