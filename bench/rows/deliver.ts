import { join } from 'node:path';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { openKeysDb } from '../../db/keys-db/keys-db.ts';
import { openRedis, type RedisClient } from '../../db/redis/redis-client.ts';
import { POOL_KEY } from '../../db/redis/redis-keys.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { KeymillError } from '../../runtime/errors.ts';
import { createLog } from '../../runtime/log.ts';
import { pause } from '../../runtime/retry.ts';
import { stopProcess } from '../../scripts/servers/identity.ts';
import { lastLinesOf, startProcess } from '../../scripts/servers/process.ts';
import { ratesOf } from '../interval.ts';
import { PrivateServers } from '../servers/private-servers.ts';
import { BENCH_SECRET, bareEnvironment, storeVariables } from '../servers/environment.ts';
import { toRow, type BenchRow } from '../method/row.ts';
import { type Bench, type BenchContext } from './bench.ts';

const POOLS = 4;
const KEYS_PER_POOL = 500_000;
const GOAL = 150_000;
const SEGMENTS = 10;
const LOOK_MS = 25;
const DELIVER_TIMEOUT_MS = 180_000;
const KEYS_PER_PUSH = 5_000;
const LOG = createLog('bench', 'bench', 'silent');

/**
 * One holder, a real producer with its supervisor, fills four empty pools from one keys-db: claim, read, place, deliver
 * by fenced Lua calls, mark as used. The pools' lengths are read from outside.
 */
export const deliver: Bench = {
  name: 'deliver',
  does: `one producer fills ${POOLS} pools with ${(POOLS * KEYS_PER_POOL).toLocaleString('en-US')} keys, beside raw RPUSH`,
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  context.say('deliver: starting a private ZooKeeper, MariaDB and 4 Redis');
  await using servers = await PrivateServers.create(context);
  const [{ url }, redis, { connect }] = await Promise.all([
    servers.mariaDb({ bufferPoolGib: 1, redoLog: '1G' }),
    servers.redis(POOLS),
    servers.zooKeeper(),
  ]);
  const keysDb = await servers.keysDb(url('keys_db_1'));
  await stock(context, keysDb);
  const clients = redis.map(({ name, url: redisUrl }) => openRedis(redisUrl, { name, log: LOG }));
  for (const client of clients) {
    servers.defer(async () => client[Symbol.asyncDispose]());
    await client.whenConnected(5_000);
  }
  const before = await pushRaw(clients, 'raw:before');
  const variables = storeVariables({ keysDb, redis, zookeeper: connect });
  const seen = await watchProducer(context, servers, variables, clients);
  const after = await pushRaw(clients, 'raw:after');
  const rates = ratesOf(seen, SEGMENTS);
  return toRow({
    name: 'deliver',
    unit: 'keys/s',
    value: overall(seen),
    samples: rates,
    baseline: `raw RPUSH of as many keys to the same ${POOLS} Redis (${KEYS_PER_PUSH} a command)`,
    baselineValue: (before + after) / 2,
    control: after / before,
    goal: GOAL,
    details: { keys: POOLS * KEYS_PER_POOL },
  });
}

/** Some more keys than the pools take: the producer must not have to generate meanwhile. */
async function stock(context: BenchContext, url: string): Promise<void> {
  const count = POOLS * KEYS_PER_POOL + 300_000;
  const keyspace = createKeyspace({ length: 8, secret: BENCH_SECRET, regionBits: 10 });
  await using keysDb = openKeysDb({ name: 'keys-db-1', url, region: 0, keyspace, log: LOG });
  await keysDb.verify();
  const progress = context.progress('deliver: stocking the keys-db', count, 'keys');
  await keysDb.generate({ count, signal: context.signal, onProgress: (added) => progress.update(added) });
  progress.stop();
}

/** Keys per second into all servers together. */
async function pushRaw(clients: readonly RedisClient[], list: string): Promise<number> {
  const keys = Array.from({ length: KEYS_PER_PUSH }, (_, i) => `k${i.toString(36).padStart(7, '0')}`);
  const startedMs = monotonicMs();
  await Promise.all(
    clients.map(async (client) => {
      for (let pushed = 0; pushed < KEYS_PER_POOL; pushed += KEYS_PER_PUSH) {
        await client.command('RPUSH', [list, ...keys], { timeoutMs: 10_000 });
      }
    }),
  );
  const rate = (clients.length * KEYS_PER_POOL * 1_000) / (monotonicMs() - startedMs);
  await Promise.all(clients.map(async (client) => client.command('UNLINK', [list])));
  return rate;
}

type Seen = readonly (readonly [number, number])[];

async function watchProducer(
  context: BenchContext,
  servers: PrivateServers,
  variables: Record<string, string>,
  clients: readonly RedisClient[],
): Promise<Seen> {
  const logFile = join(servers.dir, 'producer.log');
  const { identity, hasExited } = await startProcess({
    id: 'producer',
    command: process.execPath,
    args: [join(import.meta.dirname, '../../producer/main.ts')],
    logFile,
    dieWithParent: true,
    env: {
      ...bareEnvironment(),
      ...variables,
      KEYMILL_ID: 'producer-1',
      KEYMILL_SESSION_TIMEOUT_MS: '4000',
      // Fill up from nothing in one go; everything else as it comes.
      KEYMILL_POOL_LOW: String(KEYS_PER_POOL - 1),
      KEYMILL_POOL_HIGH: String(KEYS_PER_POOL),
      KEYMILL_POOL_HIGH_MAX: String(KEYS_PER_POOL),
      KEYMILL_UNUSED_LOW: '1',
      KEYMILL_GENERATE_COUNT: '1',
    },
  });
  servers.defer(() => stopProcess(identity, 5_000));
  const total = POOLS * KEYS_PER_POOL;
  const progress = context.progress('deliver', total, 'keys');
  const seen: [number, number][] = [];
  const deadlineMs = monotonicMs() + DELIVER_TIMEOUT_MS;
  for (let level = 0; level < total * 0.98;) {
    context.signal.throwIfAborted();
    if (hasExited() || monotonicMs() > deadlineMs) {
      throw new KeymillError(
        'BENCH_FAILED',
        `the producer did not fill the pools:\n${lastLinesOf(logFile, 5).join('\n')}`,
      );
    }
    const levels = await Promise.all(
      clients.map(async (client) => client.command('LLEN', [POOL_KEY], { timeoutMs: 5_000 })),
    );
    level = (levels as number[]).reduce((sum, length) => sum + length, 0);
    if (level > (seen.at(-1)?.[1] ?? 0)) {
      seen.push([monotonicMs(), level]);
      progress.update(level);
    }
    await pause(LOOK_MS, context.signal);
  }
  progress.stop();
  await stopProcess(identity, 5_000);
  return seen;
}

/** From the first keys seen to the last: taking the lock and reconciling are no part of it. */
function overall(seen: Seen): number {
  const [firstMs, first] = seen[0] ?? [0, 0];
  const [lastMs, last] = seen.at(-1) ?? [0, 0];
  return ((last - first) * 1_000) / Math.max(1, lastMs - firstMs);
}
