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
  readonly containers: boolean;
}

/** The command line of `./scripts/up`; commander ends the process itself on --help and on wrong options. */
export function parseUpOptions(argv: readonly string[]): UpOptions {
  const command = new Command('./scripts/up')
    .description(
      'Starts a whole cluster on this machine: ZooKeeper, Redis, MariaDB, producers and mappers.\n' +
        'On a running cluster it starts what is missing, and scales producers and mappers up or down.\n' +
        'Ctrl-C stops all of it. Data and logs are in .run/ (or KEYMILL_RUN_DIR); ports are the usual ones\n' +
        '(plus KEYMILL_PORT_OFFSET), or the next free.',
    )
    .addOption(count('--producers', 'key-producers (default: 3)', 1, 64))
    .addOption(count('--mappers', 'mappers (default: 2)', 1, 64))
    .addOption(
      count('--processes-per-mapper', 'processes that share the port of one mapper (default: 1)', 1, 64),
    )
    .addOption(count('--keys-dbs', 'keys-db shards (default: 4)', 1, 256))
    .addOption(count('--redis', 'Redis servers, one key pool each (default: 4)', 1, 64))
    .addOption(count('--zookeepers', 'ZooKeeper servers, an odd number (default: 3)', 1, 7, 'odd'))
    .addOption(
      count(
        '--mysql-servers',
        'MariaDB servers: 1, or 1 for keys and the rest for links (default: 3)',
        1,
        SLOT_COUNT + 1,
      ),
    )
    .option('--detach', 'return when ready, and leave it running', false)
    .option('--faultable', 'put a proxy before every server, for drills with faults on the wire', false)
    .option('--containers', 'run everything in containers, by docker-compose.yml', false)
    .addOption(new Option('--servers-only', 'only ZooKeeper, Redis and MariaDB').default(false).hideHelp())
    .helpOption('-h, --help', 'show this')
    .allowExcessArguments(false)
    .configureOutput({ outputError: (text, write) => write(`keymill: ${text.replace(/^error: /, '')}`) })
    .exitOverride((error) => {
      // What was typed wrongly is exit code 2; commander says 1.
      process.exitCode = error.exitCode === 0 ? 0 : 2;
      throw error;
    });
  command.parse(argv, { from: 'user' });
  return command.opts<UpOptions>();
}

function count(name: string, description: string, min: number, max: number, only?: 'odd'): Option {
  return new Option(`${name} <n>`, description).argParser((value) => {
    const number = /^\d{1,6}$/.test(value) ? Number(value) : Number.NaN;
    const isRight = number >= min && number <= max && (only !== 'odd' || number % 2 === 1);
    if (!isRight) {
      throw new InvalidArgumentError(
        `Expected ${only === 'odd' ? 'an odd' : 'a whole'} number from ${min} to ${max}.`,
      );
    }
    return number;
  });
}
