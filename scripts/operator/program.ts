import type { Command } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import { createProgram, runCommandLine } from '../../runtime/terminal/command-line.ts';
import type { Terminal } from '../../runtime/terminal/terminal.ts';
import { runElsewhere } from './run-elsewhere.ts';

/** Adds one command, with its subcommands and options, to the program. */
type AddCommand = (program: Command, terminal: Terminal) => void;

interface CommandEntry {
  readonly summary: string;
  /** Only the command that runs is loaded. All of them with their drivers cost 0.3 s and 100 MB. */
  readonly load: () => Promise<AddCommand>;
}

const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  shorten: {
    summary: 'make a short link, or many',
    load: async () => (await import('./shorten.ts')).addShortenCommand,
  },
  status: {
    summary: 'the whole cluster on one screen',
    load: async () => (await import('./status.ts')).addStatusCommand,
  },
  locks: {
    summary: 'which producer holds which keys-db; release a lock',
    load: async () => (await import('./locks.ts')).addLocksCommand,
  },
  pools: {
    summary: 'how many keys are ready on each Redis shard',
    load: async () => (await import('./pools.ts')).addPoolsCommand,
  },
  producers: {
    summary: 'the producers and their shards; drain a producer',
    load: async () => (await import('./producers.ts')).addProducersCommand,
  },
  mappers: {
    summary: 'the mappers; forget one that is gone',
    load: async () => (await import('./mappers.ts')).addMappersCommand,
  },
  where: {
    summary: 'follow one key from its keys-db to its link',
    load: async () => (await import('./where.ts')).addWhereCommand,
  },
  stats: {
    summary: 'how often a link was followed, by time or by what is known of its visitors',
    load: async () => (await import('./stats.ts')).addStatsCommand,
  },
  keys: {
    summary: 'generate keys in advance',
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
  service: {
    summary: 'let systemd run the cluster, so that it comes back after a reboot',
    load: async () => (await import('./service.ts')).addServiceCommand,
  },
  zookeeper: {
    summary: 'adopt the ensemble after ZooKeeper was wiped, replaced or put back',
    load: async () => (await import('./zookeeper.ts')).addZookeeperCommand,
  },
  urls: {
    summary: 'say that a urls server was restored',
    load: async () => (await import('./urls.ts')).addUrlsCommand,
  },
  users: {
    summary: 'make accounts, list and disable them; let somebody choose a new password',
    load: async () => (await import('./users.ts')).addUsersCommand,
  },
  images: {
    summary: 'list images, check that each has its bytes, delete what no link needs',
    load: async () => (await import('./images.ts')).addImagesCommand,
  },
  import: {
    summary: 'store the links of a file of another shortener, or of our own export',
    load: async () => (await import('./import.ts')).addImportCommand,
  },
  zk: {
    summary: "run ZooKeeper's own zkCli.sh against the cluster",
    load: async () => (await import('./zk.ts')).addZkCommand,
  },
  grow: {
    summary: 'make a full cluster of a small one, step by step, while it serves',
    load: async () => (await import('./grow.ts')).addGrowCommand,
  },
  capacity: {
    summary: 'compute the size of a cluster from measured figures',
    load: async () => (await import('./capacity.ts')).addCapacityCommand,
  },
};

/** Commands that are programs of their own. The production image does not contain them. */
const PROGRAMS: Readonly<Record<string, { readonly summary: string; readonly main: string }>> = {
  drill: {
    summary: 'inject faults under load, and check that nothing is lost',
    main: 'drills/main.ts',
  },
  bench: { summary: 'measure, and compare with the bare stores', main: 'bench/main.ts' },
};

/** Creates the operator's command. It loads only the subcommand that the arguments name. */
async function createOperatorProgram(args: readonly string[], terminal: Terminal): Promise<Command> {
  const program = createProgram(terminal)
    .description('Shows the state of a Keymill cluster, and makes changes that only a person should decide.')
    .version(manifest.version, '--version', 'print the version')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText(
      'after',
      '\nThe cluster is the one that ./scripts/up runs, or the one that the environment\n' +
        'variables KEYMILL_… describe.\n' +
        '\nExit code: 0 done; 1 done with a bad result, or refused; 2 wrong usage, or the\n' +
        'cluster did not answer.',
    );
  const named = args[0] === 'help' ? args[1] : args[0];
  for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
    if (name === named) (await load())(program, terminal);
    else program.command(name).summary(summary);
  }
  for (const [name, { summary }] of Object.entries(PROGRAMS)) program.command(name).summary(summary);
  return program;
}

/**
 * Runs one command line. Never throws: an error becomes a message on stderr.
 * @returns the exit code
 */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<number> {
  const [name = '', ...rest] = args[0] === 'help' && args.length > 1 ? [...args.slice(1), '--help'] : args;
  const program = Object.hasOwn(PROGRAMS, name) ? PROGRAMS[name] : undefined;
  if (program !== undefined) return runElsewhere({ name, main: program.main, args: rest }, terminal);
  return runCommandLine(await createOperatorProgram(args, terminal), args, terminal);
}
