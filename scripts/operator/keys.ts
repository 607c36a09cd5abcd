import { InvalidArgumentError, type Command } from 'commander';
import type { KeysDb } from '../../db/keys-db/keys-db.ts';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { KeysDbConfig, StoresConfig } from '../../runtime/config/stores.ts';
import { messageOf } from '../../runtime/errors.ts';
import { RefusedError, UnreachableError, UsageError } from '../../runtime/terminal/errors.ts';
import { startProgressBar } from '../../runtime/terminal/progress-bar.ts';
import { ONE_JSON_DOCUMENT, printJson, printLines, type Terminal } from '../../runtime/terminal/terminal.ts';
import { formatCount, formatDuration, formatFigure } from '../../runtime/terminal/units.ts';
import { findCluster } from './sources/find-cluster.ts';
import { withKeysDb } from './sources/keys-dbs.ts';

const MAX_COUNT = 1_000_000_000;

/** The keys that were added to one keys-db. */
interface Generated {
  readonly keysDb: string;
  readonly added: number;
  readonly generatedTo: number;
  readonly seconds: number;
  readonly keysPerSecond: number;
}

export function addKeysCommand(program: Command, terminal: Terminal): void {
  const keys = program.command('keys').description('Generates keys in advance.').helpCommand(false);
  keys
    .command('generate')
    .summary('add keys to a keys-db')
    .description(
      'Adds keys to a keys-db, while its holder continues to work. It may be stopped at any time and run again: ' +
        'the added keys stay, and no key is added twice.',
    )
    .requiredOption('--keys-db <name>', 'keys-db-1, …, or all')
    .requiredOption('--count <n>', 'how many keys to add to each', parseCount)
    .option('--json', `${ONE_JSON_DOCUMENT}: {"generated":[…]}`)
    .action(async (options: { keysDb: string; count: number; json?: true }) => {
      const { stores } = findCluster(terminal.env).config;
      const chosen = chooseKeysDbs(stores, options.keysDb);
      const generated = await generateAll(terminal, { stores, chosen, count: options.count });
      if (options.json) printJson(terminal, { generated });
      else printLines(terminal, generated.map(describe));
    });
}

interface Order {
  readonly stores: StoresConfig;
  readonly chosen: readonly KeysDbConfig[];
  /** Keys to add to each. */
  readonly count: number;
}

async function generateAll(terminal: Terminal, { stores, chosen, count }: Order): Promise<Generated[]> {
  const interrupt = new AbortController();
  const onInterrupt = (): void =>
    interrupt.abort(new RefusedError('interrupted: the keys that were added stay'));
  process.once('SIGINT', onInterrupt).once('SIGTERM', onInterrupt);
  try {
    const keyspace = createKeyspace(stores.keys);
    const generated: Generated[] = [];
    // One after the other: they share the same disks, so side by side would not be faster.
    for (const config of chosen) {
      generated.push(
        await withKeysDb(config, keyspace, (keysDb) =>
          generateOne(terminal, keysDb, { count, signal: interrupt.signal }),
        ),
      );
    }
    return generated;
  } finally {
    process.off('SIGINT', onInterrupt).off('SIGTERM', onInterrupt);
  }
}

async function generateOne(
  terminal: Terminal,
  keysDb: KeysDb,
  { count, signal }: { count: number; signal: AbortSignal },
): Promise<Generated> {
  try {
    await keysDb.verify();
  } catch (error) {
    throw new UnreachableError(messageOf(error), error);
  }
  const progress = startProgressBar(terminal, { what: keysDb.name, total: count, unit: 'keys' });
  const startedMs = monotonicMs();
  let added = 0;
  try {
    const generatedTo = await keysDb.generate({
      count,
      signal,
      onProgress: (now) => {
        added = now;
        progress.update(now);
      },
    });
    const seconds = (monotonicMs() - startedMs) / 1_000;
    const rounded = { seconds: Number(seconds.toFixed(3)), keysPerSecond: Math.round(added / seconds) };
    return { keysDb: keysDb.name, added, generatedTo, ...rounded };
  } catch (error) {
    throw new RefusedError(
      `${keysDb.name}: ${messageOf(error)} (${formatCount(added)} keys were added)`,
      error,
    );
  } finally {
    progress.stop();
  }
}

function chooseKeysDbs({ keysDbs }: StoresConfig, name: string): readonly KeysDbConfig[] {
  const chosen = name === 'all' ? keysDbs : keysDbs.filter((keysDb) => keysDb.name === name);
  if (chosen.length > 0) return chosen;
  throw new UsageError(
    `there is no keys-db ${name}. Choose ${keysDbs.map((keysDb) => keysDb.name).join(', ')}, or all`,
  );
}

/** `10000000` or `10_000_000`. */
function parseCount(text: string): number {
  const count = /^\d[\d_]*$/.test(text) ? Number(text.replaceAll('_', '')) : Number.NaN;
  if (count >= 1 && count <= MAX_COUNT) return count;
  throw new InvalidArgumentError(`Expected a whole number from 1 to ${formatCount(MAX_COUNT)}.`);
}

function describe({ keysDb, added, seconds, keysPerSecond }: Generated): string {
  const rate = formatFigure(keysPerSecond);
  return `${keysDb}: ${formatCount(added)} keys added in ${formatDuration(seconds * 1_000)} (${rate} keys/s)`;
}
