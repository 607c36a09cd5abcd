import type { Command } from 'commander';
import { z } from 'zod';
import { audit, type AuditReport } from '../../db/audit/audit.ts';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { openKeysDb } from '../../db/keys-db/keys-db.ts';
import { openUrlsDb } from '../../db/urls/links.ts';
import { openPool } from '../../db/redis/pool.ts';
import { messageOf } from '../../runtime/errors.ts';
import { RefusedError, UnreachableError } from '../../runtime/terminal/errors.ts';
import { callAdmin } from './sources/admin.ts';
import { askOnly, ASK_DEADLINE_MS } from './sources/ask.ts';
import { readCoordination } from './sources/coordination.ts';
import { findCluster, type Cluster } from './sources/find-cluster.ts';
import { QUIET_LOG } from '../../runtime/log.ts';
import { readReserves } from './sources/reserves.ts';
import { note, printJson, printLines, type Terminal } from '../../runtime/terminal/terminal.ts';
import { formatTable } from '../../runtime/terminal/table.ts';
import { formatCount } from '../../runtime/terminal/units.ts';

/** A holder looks everywhere before it recycles; with millions of keys that takes a while. */
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
      'Counts where every issued key is: on its way, ready in a pool, held by a mapper, bound to a link, or nowhere. Only reads, ' +
        'and is safe beside live traffic. Exit code 0: it adds up and no key is bound twice; 1: it does not; 2: somebody did not answer.',
    )
    .option('--repair', 'first ask the holders to recycle what has been missing longer than the quarantine')
    .option('--json', 'one JSON document on stdout')
    .action(async ({ repair, json }: { repair?: true; json?: true }) => {
      const cluster = findCluster(terminal.env);
      if (repair) await recycle(terminal, cluster);
      const report = await auditCluster(cluster);
      if (json) printJson(terminal, report);
      else printLines(terminal, describe(report));
      for (const source of report.unreachable) note(terminal, `unreachable: ${source}`);
      const isSound = report.balanced && report.duplicates === 0;
      terminal.exitCode = report.unreachable.length > 0 ? 2 : isSound ? 0 : 1;
    });
}

async function auditCluster(cluster: Cluster): Promise<AuditReport> {
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
  const pools = stores.redis.map((shard) => stack.use(openPool({ ...shard, log: QUIET_LOG })));
  const urlsDbs = stores.urlsDbs.map((config) => {
    const urlsDb = openUrlsDb({ ...config, log: QUIET_LOG, connections: 2 });
    stack.defer(() => urlsDb.close());
    return urlsDb;
  });
  // Keys counted under another secret would all be strangers.
  for (const keysDb of keysDbs) await askOnly(keysDb.name, () => keysDb.verify());
  await Promise.all(pools.map((pool) => pool.whenConnected(ASK_DEADLINE_MS)));
  try {
    return await audit(
      { keyspace, keysDbs, pools, urlsDbs, reserves: () => readReserves(cluster) },
      interrupt.signal,
    );
  } catch (error) {
    interrupt.signal.throwIfAborted();
    throw new UnreachableError(`the audit could not be finished: ${messageOf(error)}`, error);
  }
}

/** Nobody but the holder of a shard may write to its keys-db, so the holders are asked. */
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
          note(terminal, `${id}: ${describeRecycled(Recycled.parse(await callRecycle(id, admin)))}`);
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

async function callRecycle(id: string, admin: string | null): Promise<unknown> {
  if (admin === null) throw new Error(`${id} publishes no admin address`);
  return callAdmin(admin, 'POST', '/recycle', { timeoutMs: RECYCLE_DEADLINE_MS });
}

function describe(report: AuditReport): string[] {
  const { issued, pending, pooled, reserved, bound, leaked, unknown } = report;
  const rows: [string, number, string][] = [
    ['issued', issued, 'keys given out by the keys-dbs, made up of:'],
    ['  pending', pending, 'claimed, on their way to a pool'],
    ['  pooled', pooled, 'ready in a pool'],
    ['  reserved', reserved, 'in the hands of a mapper'],
    ['  bound', bound, 'bound to a link'],
    ['  leaked', leaked, 'found nowhere: recycled after the quarantine'],
    ['  unknown', unknown, 'not found, but not everybody answered'],
    ['unused', report.unused, 'generated, not given out'],
    ['recycled', report.recycled, 'given out again so far'],
    ['aliases', report.aliases, 'links whose name the user chose'],
    ['duplicates', report.duplicates, 'keys with more than one link: must be 0'],
    ['repeated', report.repeated, 'keys seen in two places, harmless'],
  ];
  const [, ...lines] = formatTable(
    [{ title: '' }, { title: '', align: 'right' }, { title: '' }],
    rows.map(([name, count, meaning]) => [name, formatCount(count), meaning]),
  );
  return [
    ...lines,
    report.balanced
      ? 'balanced: every issued key is accounted for'
      : 'NOT BALANCED: the counts do not add up',
  ];
}
