import { hostname } from 'node:os';
import { createConnection } from 'mysql2/promise';
import { markDrained } from '../../../coordinator/drained.ts';
import { readLocks, watchLocks } from '../../../coordinator/lock-view.ts';
import { isHeld, tryAcquire } from '../../../coordinator/lock.ts';
import { join } from '../../../coordinator/membership.ts';
import { lockPath, mapperPath, producerPath } from '../../../coordinator/paths.ts';
import { Session } from '../../../coordinator/session.ts';
import { createKeyspace } from '../../../db/keyspace/key.ts';
import { openPool, type Pool } from '../../../db/redis/pool.ts';
import { createMapperMetrics } from '../../../mapper/metrics.ts';
import { startAdmin } from '../../../runtime/admin.ts';
import { isoNow } from '../../../runtime/clock.ts';
import { readMapperConfig } from '../../../runtime/config/config.ts';
import { readFigures } from '../../../runtime/dashboard/figures.ts';
import { Timeline } from '../../../runtime/dashboard/timeline.ts';
import { QUIET_LOG } from '../../../runtime/log.ts';
import { createMetrics } from '../../../runtime/metrics.ts';
import { ClusterMemory } from '../../../producer/dashboard.ts';
import { until } from '../../until.ts';
import { SIZES } from './large-cluster.ts';

/*
 * The processes of a large cluster, as far as a dashboard sees them, in one process: each has a member in
 * ZooKeeper and an admin port that reports the figures of its own metrics, and the producers hold the locks.
 * Levels and figures change all the time, and every few seconds a lock is given up and taken again.
 *
 * Without an argument it is all of them. `one` is the last producer alone, which can be killed, and `others`
 * the rest; they take its shards when these are free, and do what {@link Order} says.
 */

/** What the parent of this process may ask. */
export interface Order {
  /** Shards of {@link LAST}. */
  readonly lastShards?: 'take' | 'give back';
  readonly drain?: { readonly id: string; readonly isDrained: boolean };
  /** Its reports are not answered. */
  readonly silent?: { readonly id: string; readonly isSilent: boolean };
}

const HAND_OVER_EVERY_MS = 4_000;
const WORK_EVERY_MS = 250;
const HIGH = 60_000;
const WAIT = { timeoutMs: 60_000 };

const config = readMapperConfig();
const { stores, zookeeper, admin } = config;
if (zookeeper === undefined) throw new Error('this cluster has ZooKeeper');
const keyspace = createKeyspace(stores.keys);
const { connect, auth, sessionTimeoutMs: timeoutMs } = zookeeper;
const session = await Session.open({ connect, auth, timeoutMs, log: QUIET_LOG });
const shards = stores.keysDbs.map(({ name }) => name);
const pools = stores.redis.map((shard) => openPool({ ...shard, keyspace, log: QUIET_LOG }));
/** What all producers of this process have seen. */
const memory = new ClusterMemory(stores);
const workers: (() => void)[] = [];
const silent = new Set<string>();
const [, , part = 'all'] = process.argv;
const LAST = `producer-${SIZES.producers}`;
let takesShardsOfLast = false;

function ownerOf(index: number): string {
  const owner = `producer-${(index % SIZES.producers) + 1}`;
  return owner === LAST && takesShardsOfLast ? `producer-${(index % (SIZES.producers - 1)) + 1}` : owner;
}

function isOurs(index: number): boolean {
  return part === 'all' || (ownerOf(index) === LAST) === (part === 'one');
}

/** An admin port with a report, as every process has. */
async function serve(id: string, kind: 'producer' | 'mapper'): Promise<string> {
  const registry = createMetrics();
  const { shortens, redirects, shortenSeconds, redirectSeconds } = createMapperMetrics(registry);
  const timeline = kind === 'producer' ? memory.timeline : new Timeline();
  if (kind === 'mapper')
    workers.push(() => {
      shortens.series({ result: 'created' }).count += 12;
      redirects.series({ result: 'found', source: 'memory' }).count += 225;
      for (let at = 0; at < 12; at += 1) shortenSeconds.observe(0.001 * (1 + Math.random() * 20));
      for (let at = 0; at < 225; at += 1) redirectSeconds.observe(0.0001 * (1 + Math.random() * 30));
    });
  const report = async (mark: string | null) => ({
    ...timeline.after(mark ?? undefined),
    isReady: true,
    unusable: [],
    figures: await readFigures(registry),
    drain: kind === 'producer' ? 1_000 : null,
    held: null,
  });
  const port = await startAdmin({
    ...admin,
    port: 0,
    metrics: registry,
    ready: () => ({ ok: true }),
    routes: {
      'GET /dashboard/report': async (_, query) =>
        silent.has(id) ? new Promise(() => undefined) : report(query.get('since')),
    },
    log: QUIET_LOG,
  });
  return port.url;
}

async function beProducer(id: string): Promise<void> {
  const marks = (keys: number) => Object.fromEntries(stores.redis.map(({ name }) => [name, keys]));
  const about = { id, pid: process.pid, supervisorPid: process.pid, host: hostname(), since: isoNow() };
  const owned = shards.filter((_, index) => ownerOf(index) === id);
  const work = { capacity: 8, owned, asks: [], unreachable: [], refused: {}, recyclingBlocked: {} };
  const url = await serve(id, 'producer');
  await join(session, producerPath(id), {
    ...about,
    ...work,
    admin: url,
    low: marks(20_000),
    high: marks(HIGH),
  }).joined;
}

async function beMapper(id: string): Promise<void> {
  const url = await serve(id, 'mapper');
  const member = {
    id,
    url: 'http://10.0.0.1:8080',
    admin: url,
    pid: process.pid,
    host: hostname(),
    since: isoNow(),
  };
  await join(session, mapperPath(id), member).joined;
}

let epoch = 3;
async function hold(index: number): Promise<void> {
  const at = index % shards.length;
  const shard = shards[at] ?? '';
  const info = { owner: ownerOf(at), host: hostname(), pid: process.pid };
  const taken = await tryAcquire(session, lockPath(shard), info);
  if (!isHeld(taken)) throw new Error(`${shard} is held by ${taken.takenBy.owner}`);
  held.set(at, taken);
  await taken.publishEpoch(epoch);
}

const held = new Map<number, { release(): Promise<void> }>();

async function fill(pool: Pool, index: number): Promise<void> {
  if (!(await pool.whenConnected(10_000))) throw new Error(`${pool.name} is not connected`);
  for (const shard of shards) await pool.raiseEpoch(shard, epoch);
  const keys = keyspace.keysOf(0, 1, 2_000 + index);
  await pool.putBack(keys);
}

async function release(index: number): Promise<void> {
  const lock = held.get(index);
  held.delete(index);
  await lock?.release();
}

/** Takes every free shard that is ours to take. */
async function takeFree(locks: ReadonlyMap<string, unknown>): Promise<void> {
  await Promise.all(
    shards.map(async (shard, index) => {
      if (isOurs(index) && !held.has(index) && !locks.has(shard)) await hold(index);
    }),
  );
}

/** In turn, so that one that is given up is not taken again at the same moment. */
let turn: Promise<unknown> = Promise.resolve();
async function inTurn(work: () => Promise<void>): Promise<void> {
  // A busy machine may lose the connection: then there is no hand-over.
  turn = turn.then(work).catch(() => undefined);
  await turn;
}

async function obey({ lastShards, drain, silent: hush }: Order): Promise<void> {
  if (drain !== undefined) await markDrained(session, drain.id, drain.isDrained);
  if (hush?.isSilent === true) silent.add(hush.id);
  else if (hush !== undefined) silent.delete(hush.id);
  if (lastShards === undefined) return;
  takesShardsOfLast = lastShards === 'take';
  epoch += 1;
  if (lastShards === 'take') await takeFree(await readLocks(session));
  else for (const index of held.keys()) if (!isOurs(index)) await release(index);
}

const producers = Array.from({ length: SIZES.producers }, (_, at) => ownerOf(at));
if (part !== 'one') await Promise.all(pools.map(fill));
await Promise.all(
  producers.filter((id) => part === 'all' || (id === LAST) === (part === 'one')).map(beProducer),
);
// The first mapper is the one that shows the page.
if (part !== 'one')
  await Promise.all(Array.from({ length: SIZES.mappers - 1 }, async (_, at) => beMapper(`mapper-${at + 2}`)));
watchLocks(session, (locks) => {
  memory.onLocks(locks);
  if (part !== 'all') void inTurn(async () => takeFree(locks));
});
if (part === 'all') await Promise.all(shards.map(async (_, index) => hold(index)));
else await until('the shards to be held', () => shards.every((_, at) => !isOurs(at) || held.has(at)), WAIT);

// Of each keys-db, more keys have been generated every few seconds.
const sql = part === 'one' ? undefined : await createConnection(stores.keysDbs[0]?.url ?? '');
const databases = stores.keysDbs.map(({ url }) => new URL(url).pathname.slice(1));
const generate = async (database: string, count: number): Promise<unknown> =>
  sql?.query('UPDATE ??.ownership SET generated_to = generated_to + ? WHERE id = 1', [database, count]);
await Promise.all(databases.map(async (database, at) => generate(database, 1_000_000 + at * 7_919)));
let generating = 0;

setInterval(() => {
  for (const work of workers) work();
  if (part === 'one') return;
  void generate(databases[generating++ % databases.length] ?? '', 10_000).catch(() => undefined);
  for (const pool of pools)
    void pool.putBack([keyspace.keysOf(0, (Date.now() % 1e6) + 5_000, 1)[0] ?? '']).catch(() => undefined);
}, WORK_EVERY_MS);
let handOver = 0;
if (part !== 'one')
  setInterval(() => {
    const index = handOver++ % shards.length;
    if (!held.has(index)) return;
    epoch += 1;
    void inTurn(async () => {
      await release(index);
      if (!held.has(index)) await hold(index);
    });
  }, HAND_OVER_EVERY_MS);
process.on('message', (order: Order) => void inTurn(async () => obey(order)));
process.once('disconnect', () => process.exit());
process.send?.({ credentials: session.credentials });
