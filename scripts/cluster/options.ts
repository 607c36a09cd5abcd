import { Command, InvalidArgumentError, Option } from 'commander';
import { SLOT_COUNT } from '../../runtime/config/slots.ts';
import type { WantedShape } from './shape.ts';

export interface UpOptions extends WantedShape {
  readonly producers: number | undefined;
  readonly mappers: number | undefined;
  readonly detach: boolean;
  readonly serversOnly: boolean;
  readonly processesPerMapper: number | undefined;
  readonly faultable: boolean;
  /** Whether everybody may change the nodes in ZooKeeper. */
  readonly zookeeperOpen: boolean;
  readonly containers: boolean;
  /** Whether a cluster that was stopped stays so. */
  readonly repair: boolean;
}

/** What a small cluster has none of, or exactly one. */
const FULL_ONLY = ['producers', 'keysDbs', 'redis', 'zookeepers', 'mysqlServers', 'zookeeperOpen'];

/**
 * Parses the command line of `./scripts/up`.
 * @throws CommanderError after it has printed the help or the fault
 */
export function parseUpOptions(
  argv: readonly string[],
  writeErr = (text: string): void => void process.stderr.write(text),
): UpOptions {
  const command = new Command('./scripts/up')
    .description(
      'Starts a whole cluster on this machine: ZooKeeper, Redis, MariaDB, producers and mappers. On a running ' +
        'cluster it starts the parts that are missing, and scales producers and mappers up or down. ' +
        'Ctrl-C stops the cluster.',
    )
    .addOption(
      new Option(
        '--small',
        'for one small host: one MariaDB, one Redis, one mapper; keys come by counter, without ZooKeeper and producers',
      )
        .default(false)
        .conflicts(FULL_ONLY),
    )
    .addOption(count('--producers', 'producers (default: 3)', { max: 64 }))
    .addOption(count('--mappers', 'mappers (default: 2)', { max: 64 }))
    .addOption(count('--processes-per-mapper', 'processes that share one port (default: 1)', { max: 64 }))
    .addOption(count('--keys-dbs', 'keys-db shards (default: 4)', { max: 256 }))
    .addOption(count('--redis', 'Redis servers, one key pool each (default: 4)', { max: 64 }))
    .addOption(count('--zookeepers', 'ZooKeeper servers (default: 3)', { max: 7, isOdd: true }))
    .addOption(
      count('--mysql-servers', 'MariaDB servers; of several, the first is for keys (default: 3)', {
        max: SLOT_COUNT + 1,
      }),
    )
    .option('--detach', 'return when the cluster is ready, and leave it running', false)
    .option('--faultable', 'put a proxy in front of every server, for drills that break the network', false)
    .option(
      '--zookeeper-open',
      'let every client change the nodes in ZooKeeper; only at the first start',
      false,
    )
    .option(
      '--containers',
      'run everything in containers, as docker-compose.yml says, or with --small docker-compose.small.yml',
      false,
    )
    .addOption(new Option('--repair', 'unless the cluster was stopped').default(false).hideHelp())
    .addOption(new Option('--servers-only', 'only ZooKeeper, Redis and MariaDB').default(false).hideHelp())
    .helpOption('-h, --help', 'show this help')
    // Without this, commander adds "(default: false)" to every flag.
    .configureHelp({ optionDescription: ({ description }) => description })
    .allowExcessArguments(false)
    .configureOutput({
      writeErr,
      outputError: (text, write) => write(`keymill: ${text.replace(/^error: /, '')}`),
    })
    .addHelpText(
      'after',
      '\nData and logs are in .run/, or in the folder KEYMILL_RUN_DIR. Each server gets its usual\n' +
        'port, plus KEYMILL_PORT_OFFSET, or the next free one.',
    )
    .exitOverride((error) => {
      // For wrong usage our exit code is 2, and commander's is 1.
      process.exitCode = error.exitCode === 0 ? 0 : 2;
      throw error;
    });
  command.parse(argv, { from: 'user' });
  return command.opts<UpOptions>();
}

function count(
  name: string,
  description: string,
  { max, isOdd = false }: { max: number; isOdd?: boolean },
): Option {
  return new Option(`${name} <n>`, description).argParser((value) => {
    const number = /^\d{1,6}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= 1 && number <= max && (!isOdd || number % 2 === 1)) return number;
    throw new InvalidArgumentError(`Expected ${isOdd ? 'an odd' : 'a whole'} number from 1 to ${max}.`);
  });
}
