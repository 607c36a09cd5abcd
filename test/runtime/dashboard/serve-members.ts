import { hostname } from 'node:os';
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
import { SIZES } from './large-cluster.ts';

/*
 * The processes of a large cluster, as far as a dashboard sees them, in one process: each has a member in
 * ZooKeeper and an admin port that reports the figures of its own metrics, and the producers hold the locks.
 * Levels and figures change all the time, and every few seconds a lock is given up and taken again.
 */

const HAND_OVER_EVERY_MS = 4_000;
const WORK_EVERY_MS = 250;
const HIGH = 60_000;

const config = readMapperConfig();
const { stores, zookeeper, admin } = config;
if (zookeeper === undefined) throw new Error('this cluster has ZooKeeper');
const keyspace = createKeyspace(stores.keys);
const { connect, auth, sessionTimeoutMs: timeoutMs } = zookeeper;
const session = await Session.open({ connect, auth, timeoutMs, log: QUIET_LOG });
const shards = stores.keysDbs.map(({ name }) => name);
const pools = stores.redis.map((shard) => openPool({ ...shard, keyspace, log: QUIET_LOG }));
const timelines = new Map<string, Timeline>();
const workers: (() => void)[] = [];

function ownerOf(index: number): string {
  return `producer-${(index % SIZES.producers) + 1}`;
}

/** An admin port with a report, as every process has. */
async function serve(id: string, kind: 'producer' | 'mapper'): Promise<string> {
  const registry = createMetrics();
  const { shortens, redirects, shortenSeconds, redirectSeconds } = createMapperMetrics(registry);
  const timeline = new Timeline();
  timelines.set(id, timeline);
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
    routes: { 'GET /dashboard/report': async (_, query) => report(query.get('since')) },
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
  const shard = shards[index % shards.length] ?? '';
  const info = { owner: ownerOf(index), host: hostname(), pid: process.pid };
  const taken = await tryAcquire(session, lockPath(shard), info);
  if (!isHeld(taken)) throw new Error(`${shard} is held by ${taken.takenBy.owner}`);
  await taken.publishEpoch(epoch);
  held.set(index % shards.length, taken);
}

const held = new Map<number, { release(): Promise<void> }>();

async function fill(pool: Pool, index: number): Promise<void> {
  if (!(await pool.whenConnected(10_000))) throw new Error(`${pool.name} is not connected`);
  for (const shard of shards) await pool.raiseEpoch(shard, epoch);
  const keys = keyspace.keysOf(0, 1, 2_000 + index);
  await pool.putBack(keys);
}

await Promise.all(pools.map(fill));
await Promise.all(Array.from({ length: SIZES.producers }, async (_, at) => beProducer(ownerOf(at))));
// The first mapper is the one that shows the page.
await Promise.all(Array.from({ length: SIZES.mappers - 1 }, async (_, at) => beMapper(`mapper-${at + 2}`)));
await Promise.all(shards.map(async (_, index) => hold(index)));

setInterval(() => {
  for (const work of workers) work();
  for (const pool of pools) void pool.putBack([keyspace.keysOf(0, (Date.now() % 1e6) + 5_000, 1)[0] ?? '']);
}, WORK_EVERY_MS);
let handOver = 0;
setInterval(() => {
  const index = handOver++ % shards.length;
  epoch += 1;
  // A busy machine may lose the connection: then there is no hand-over.
  void (async () => {
    await held.get(index)?.release();
    await hold(index);
  })().catch(() => undefined);
}, HAND_OVER_EVERY_MS);
process.once('disconnect', () => process.exit());
process.send?.('ready');
