import type { Command } from 'commander';
import { z } from 'zod';
import { audit, type AuditReport } from '../../db/audit/audit.ts';
import type { CounterMark, MapperReserve } from '../../db/audit/sources.ts';
import { openCounterMarks } from '../../db/counter/counter-marks.ts';
import { openKeysDb } from '../../db/keys-db/keys-db.ts';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { openPool } from '../../db/redis/pool.ts';
import { MismatchError } from '../../db/store-errors.ts';
import { openUrlsDb, type UrlsDb } from '../../db/urls/links.ts';
import { askAdmin } from '../../runtime/admin-client.ts';
import { findCounterRegion, type StoresConfig } from '../../runtime/config/stores.ts';
import { messageOf } from '../../runtime/errors.ts';
import { QUIET_LOG } from '../../runtime/log.ts';
import { RefusedError, UnreachableError } from '../../runtime/terminal/errors.ts';
import { formatTable } from '../../runtime/terminal/table.ts';
import {
  note,
  ONE_JSON_DOCUMENT,
  printJson,
  printLines,
  type Terminal,
} from '../../runtime/terminal/terminal.ts';
import { formatCount } from '../../runtime/terminal/units.ts';
import { askOnly, ASK_DEADLINE_MS } from './sources/ask.ts';
import { readCoordination } from './sources/coordination.ts';
import { findCluster, type Cluster } from './sources/find-cluster.ts';
import { readReserves } from './sources/reserves.ts';

/** A holder searches all stores before it recycles. With millions of keys, that takes time. */
const RECYCLE_DEADLINE_MS = 120_000;

const Recycled = z.object({
  recycled: z.number(),
  missing: z.number().catch(0),
  unreachable: z.array(z.string()).catch([]),
});

export function addAuditCommand(program: Command, terminal: Terminal): void {
  program
    .command('audit')
    .description(
      'Counts where every issued key is: on its way to a pool, in a pool, held by a mapper, bound to a link, or ' +
        'nowhere. It only reads, and is safe under live traffic.',
    )
    .addHelpText(
      'after',
      '\nExit code: 0 the counts add up, and no key has two links; 1 they do not; 2 some\n' +
        'part of the cluster did not answer.',
    )
    .option('--repair', 'first make the holders recycle the keys that are missing longer than the quarantine')
    .option('--json', ONE_JSON_DOCUMENT)
    .action(async ({ repair, json }: { repair?: true; json?: true }) => {
      const cluster = findCluster(terminal.env);
      if (repair) await recycle(terminal, cluster);
      const reasons = new Map<string, string>();
      const report = await auditCluster(terminal, cluster, (mapper, reason) => reasons.set(mapper, reason));
      if (json) printJson(terminal, report);
      else printLines(terminal, describe(report));
      for (const source of report.unreachable) {
        const reason = reasons.get(source);
        note(terminal, `unreachable: ${source}${reason === undefined ? '' : ` (${reason})`}`);
      }
      const isSound = report.balanced && report.duplicates === 0;
      terminal.exitCode = report.unreachable.length > 0 ? 2 : isSound ? 0 : 1;
    });
}

/** @param onSilentMapper gets each mapper whose keys are unknown, and why */
async function auditCluster(
  terminal: Terminal,
  cluster: Cluster,
  onSilentMapper: (mapper: string, reason: string) => void,
): Promise<AuditReport> {
  const { stores } = cluster.config;
  await using stack = new AsyncDisposableStack();
  const interrupt = new AbortController();
  const onInterrupt = (): void => interrupt.abort(new RefusedError('interrupted'));
  process.once('SIGINT', onInterrupt);
  stack.defer(() => void process.off('SIGINT', onInterrupt));
  const keyspace = createKeyspace(stores.keys);
  const keysDbs = stores.keysDbs.map(({ name, url, region }) =>
    stack.use(openKeysDb({ name, url, region, keyspace, log: QUIET_LOG })),
  );
  const pools = stores.redis.map((shard) => stack.use(openPool({ ...shard, keyspace, log: QUIET_LOG })));
  const urlsDbs = stores.urlsDbs.map((config) => {
    const urlsDb = openUrlsDb({ ...config, keyspace, log: QUIET_LOG, connections: 2 });
    stack.defer(() => urlsDb.close());
    return urlsDb;
  });
  const counter = await findCounter(terminal, stores, stack);
  // With another key secret, all keys would look unknown.
  for (const keysDb of keysDbs) await askOnly(keysDb.name, () => keysDb.verify());
  await refuseForeign(urlsDbs);
  await Promise.all(pools.map((pool) => pool.whenConnected(ASK_DEADLINE_MS)));
  const reserves = async (): Promise<readonly MapperReserve[]> => {
    const answers = await readReserves(cluster);
    for (const { mapper, reason } of answers) if (reason !== undefined) onSilentMapper(mapper, reason);
    return answers;
  };
  try {
    return await audit({ keyspace, keysDbs, counter, pools, urlsDbs, reserves }, interrupt.signal);
  } catch (error) {
    interrupt.signal.throwIfAborted();
    throw new UnreachableError(`the audit could not be finished: ${messageOf(error)}`, error);
  }
}

/**
 * The counter, if mappers get keys from it or ever have. Where keys come from pools, its mark is not needed:
 * the audit goes on without a users database that does not answer.
 */
async function findCounter(
  terminal: Terminal,
  stores: StoresConfig,
  stack: AsyncDisposableStack,
): Promise<CounterMark | undefined> {
  const { usersDb, keySource } = stores;
  const region = findCounterRegion(stores);
  if (usersDb === undefined || region === undefined) return undefined;
  const marks = openCounterMarks(usersDb, { connections: 1 });
  stack.defer(async () => marks.close());
  const counter = { region, marks };
  if (keySource === 'counter') return counter;
  try {
    return (await marks.read()) > 0 ? counter : undefined;
  } catch (error) {
    note(terminal, `keys by counter are not counted: ${messageOf(error)}`);
    return undefined;
  }
}

/**
 * On a urls server of another cluster no key of ours is bound. One that does not answer is reported later.
 */
async function refuseForeign(urlsDbs: readonly UrlsDb[]): Promise<void> {
  for (const urlsDb of urlsDbs) {
    try {
      await urlsDb.verifyKeyspace();
    } catch (error) {
      if (error instanceof MismatchError) throw new UnreachableError(messageOf(error), error);
    }
  }
}

/** Asks the holders to recycle, because only the holder of a shard may write to its keys-db. */
async function recycle(terminal: Terminal, { config }: Cluster): Promise<void> {
  const { producers, locks } = await askOnly('zookeeper', (signal) =>
    readCoordination(config.zookeeper, signal),
  );
  const owners = new Set([...locks.values()].map(({ owner }) => owner));
  await Promise.all(
    producers
      .filter(({ id }) => owners.has(id))
      .map(async ({ id, admin }) => {
        try {
          const answer = await askToRecycle(id, admin, config.adminToken);
          note(terminal, `${id}: ${describeRecycled(Recycled.parse(answer))}`);
        } catch (error) {
          note(terminal, `${id} did not recycle: ${messageOf(error)}`);
        }
      }),
  );
}

function describeRecycled({ recycled, missing, unreachable }: z.infer<typeof Recycled>): string {
  const waiting = missing > recycled ? `, ${formatCount(missing - recycled)} more are missing` : '';
  const silent = unreachable.length > 0 ? `; did not answer: ${unreachable.join(', ')}` : '';
  return `recycles ${formatCount(recycled)} keys${waiting}${silent}`;
}

async function askToRecycle(id: string, url: string | null, token: string | undefined): Promise<unknown> {
  if (url === null) throw new Error(`${id} publishes no admin address`);
  return askAdmin({ url, token }, 'POST', '/recycle', { body: {}, timeoutMs: RECYCLE_DEADLINE_MS });
}

function describe(report: AuditReport): string[] {
  const { issued, pending, pooled, reserved, bound, leaked, unknown } = report;
  const rows: [string, number, string][] = [
    ['issued', issued, 'keys that were given out, by keys-dbs or by counter; of these:'],
    ['  pending', pending, 'claimed, on the way to a pool'],
    ['  pooled', pooled, 'ready in a pool'],
    ['  reserved', reserved, 'held by a mapper'],
    ['  bound', bound, 'bound to a link'],
    ['  leaked', leaked, 'found nowhere; recycled after the quarantine'],
    ['  written off', report.written_off, 'found nowhere; never used again, because their links may be lost'],
    ['  unknown', unknown, 'not found, but some source did not answer'],
    ['unused', report.unused, 'generated, not yet given out'],
    ['recycled', report.recycled, 'given out a second time so far'],
    ['aliases', report.aliases, 'links whose name the user chose'],
    ['duplicates', report.duplicates, 'keys with more than one link; must be 0'],
    ['repeated', report.repeated, 'keys seen in two places; harmless'],
  ];
  const [, ...lines] = formatTable(
    [{ title: '' }, { title: '', align: 'right' }, { title: '' }],
    rows.map(([name, count, meaning]) => [name, formatCount(count), meaning]),
  );
  return [...lines, verdictOf(report)];
}

function verdictOf({ balanced, unknown }: AuditReport): string {
  if (!balanced) return 'NOT BALANCED: the counts do not add up';
  return unknown === 0
    ? 'balanced: every issued key is accounted for'
    : 'the counts add up, but some keys are unknown: ask again when every source answers';
}
