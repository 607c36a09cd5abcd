import { spawn, type ChildProcess } from 'node:child_process';
import type { LockHolder } from '../../coordinator/lock-holder.ts';
import { readLocks } from '../../coordinator/lock-view.ts';
import { readMembers } from '../../coordinator/membership.ts';
import { PATHS } from '../../coordinator/paths.ts';
import { Session } from '../../coordinator/session.ts';
import { openKeysDb, type KeysDb } from '../../db/keys-db/keys-db.ts';
import { createKeyspace, type Keyspace } from '../../db/keyspace/key.ts';
import { openPool, type Pool } from '../../db/redis/pool.ts';
import { parseProducerMember, type ProducerMember } from '../../coordinator/overview/producer-member.ts';
import { createLog } from '../../runtime/log.ts';
import { ADMIN_TOKEN } from '../admin-token.ts';
import { migratedDatabase } from '../migrated-database.ts';
import { testRedis, testZooKeeper } from '../servers.ts';
import { until } from '../until.ts';

/** A cluster for producer tests: its own keys-dbs, pools and ZooKeeper, and producers as real processes. */

const SECRET = 'a secret for tests only';
const LOG_LEVEL = process.env['TEST_LOG_LEVEL'] ?? 'silent';

export const log = createLog('test', 'producer', 'silent');

export interface Cluster extends AsyncDisposable {
  readonly env: Record<string, string>;
  readonly keysDbs: readonly KeysDb[];
  readonly pools: readonly Pool[];
  readonly redis: readonly { name: string; url: string }[];
  readonly session: Session;
  readonly keyspace: Keyspace;
  locks(): Promise<Map<string, LockHolder>>;
  members(): Promise<Map<string, ProducerMember>>;
  start(id: string, env?: Record<string, string>): Producer;
  /** All keys now in the pools. */
  pooled(): Promise<string[]>;
}

export interface Producer {
  readonly id: string;
  readonly supervisor: ChildProcess;
  /** Its log lines, parsed. */
  readonly lines: { msg: string; [field: string]: unknown }[];
  readonly exited: Promise<number | null>;
  /** Sends SIGTERM. @returns the exit code */
  stop(): Promise<number | null>;
}

export interface ClusterOptions {
  readonly keysDbs?: number;
  readonly pools?: number;
  readonly env?: Record<string, string>;
}

export async function testCluster({
  keysDbs = 1,
  pools = 2,
  env = {},
}: ClusterOptions = {}): Promise<Cluster> {
  const { connect } = await testZooKeeper();
  const redis = await testRedis(pools);
  const keyspace = createKeyspace({ length: 8, secret: SECRET, regionBits: 10 });
  const databases = await Promise.all(
    Array.from({ length: keysDbs }, async (_, i) => {
      const name = `keys-db-${i + 1}`;
      const url = await migratedDatabase(name, 'keys-db');
      return { name, url, region: i };
    }),
  );
  const dbs = databases.map((database) => openKeysDb({ ...database, keyspace, log }));
  const openPools = redis.map((shard) => openPool({ ...shard, keyspace, log }));
  await Promise.all(openPools.map((pool) => pool.whenConnected(20_000)));
  const session = await Session.open({ connect, timeoutMs: 10_000, log });
  const producers: Producer[] = [];
  const list = (items: readonly { name: string; url: string }[]): string =>
    items.map(({ name, url }) => `${name}=${url}`).join(',');
  const common: Record<string, string> = {
    KEYMILL_ZOOKEEPER: connect,
    KEYMILL_SESSION_TIMEOUT_MS: '2000',
    KEYMILL_REDIS: list(redis),
    KEYMILL_KEYS_DBS: list(databases),
    KEYMILL_URLS_DBS: 'urls-1:0-31=mysql://nobody:x@127.0.0.1:9/urls',
    KEYMILL_USERS_DB: 'mysql://nobody:x@127.0.0.1:9/users',
    KEYMILL_KEY_SECRET: SECRET,
    KEYMILL_KEY_LENGTH: '8',
    KEYMILL_ADMIN_TOKEN: ADMIN_TOKEN,
    KEYMILL_POOL_LOW: '400',
    KEYMILL_POOL_HIGH: '1000',
    KEYMILL_POOL_HIGH_MAX: '1000',
    KEYMILL_BATCH_SIZE: '500',
    KEYMILL_UNUSED_LOW: '5000',
    KEYMILL_GENERATE_COUNT: '5000',
    ...env,
  };
  return {
    env: common,
    keysDbs: dbs,
    pools: openPools,
    redis,
    session,
    keyspace,
    locks: () => readLocks(session),
    members: async () => (await readMembers(session, PATHS.producers, parseProducerMember)).members,
    start: (id, extra = {}) => {
      const producer = startProducer(id, { ...common, ...extra });
      producers.push(producer);
      return producer;
    },
    pooled: async () => (await Promise.all(openPools.map(allKeys))).flat(),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(producers.map((producer) => producer.stop()));
      await session.close();
      await Promise.all([
        ...dbs.map((db) => db.close()),
        ...openPools.map((pool) => pool[Symbol.asyncDispose]()),
      ]);
    },
  };
}

/** Waits until every pool is above its low watermark. */
export async function untilFilled(cluster: Cluster, low = 400): Promise<void> {
  await until(
    'every pool to be above its low watermark',
    async () => (await Promise.all(cluster.pools.map((pool) => pool.level()))).every((level) => level > low),
    { timeoutMs: 40_000 },
  );
}

/** Waits until `shard` is held, and by an epoch above `above`. */
export async function untilHeld(cluster: Cluster, shard: string, above = 0): Promise<LockHolder> {
  return until(
    `${shard} to be held above epoch ${above}`,
    async () => {
      const lock = (await cluster.locks()).get(shard);
      return lock !== undefined && (lock.epoch ?? 0) > above && lock;
    },
    { timeoutMs: 40_000, everyMs: 5 },
  );
}

/** Waits until `count` producers are members. */
export async function untilMembers(cluster: Cluster, count: number): Promise<void> {
  await until(`${count} members`, async () => (await cluster.members()).size === count, {
    timeoutMs: 40_000,
  });
}

/** Waits until a producer has logged a message with this beginning. */
export async function untilLogged(producer: Producer, beginning: string): Promise<void> {
  await until(`"${beginning}"`, () => producer.lines.some(({ msg }) => msg.startsWith(beginning)), {
    timeoutMs: 40_000,
  });
}

/** Waits until one of the producers logs that its reign is ready, with an epoch above `above`. */
export async function untilReady(
  producers: readonly Producer[],
  shard: string,
  above: number,
): Promise<void> {
  await until(
    `a reign over ${shard} above epoch ${above} to be ready`,
    () =>
      producers.some(({ lines }) =>
        lines.some(
          (line) =>
            line['shard'] === shard && Number(line['epoch']) > above && line.msg.startsWith('reign ready'),
        ),
      ),
    { timeoutMs: 40_000, everyMs: 2 },
  );
}

/** Waits until the producer has a standby, about half a second after its worker became ready. */
export async function untilStandby(producer: Producer): Promise<void> {
  await untilLogged(producer, 'standby loaded');
}

async function allKeys(pool: Pool): Promise<string[]> {
  return pool.page(0, 1_000_000);
}

function startProducer(id: string, env: Record<string, string>): Producer {
  const supervisor = spawn(process.execPath, ['producer/main.ts'], {
    env: { PATH: process.env['PATH'] ?? '', ...env, KEYMILL_ID: id },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: Producer['lines'] = [];
  let rest = '';
  supervisor.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    if (LOG_LEVEL !== 'silent') process.stderr.write(chunk);
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) lines.push(JSON.parse(part) as { msg: string });
  });
  const exited = new Promise<number | null>((resolve) => supervisor.once('exit', resolve));
  return {
    id,
    supervisor,
    lines,
    exited,
    stop: async () => {
      // A second signal would make it exit immediately.
      if (!supervisor.killed) supervisor.kill('SIGTERM');
      return exited;
    },
  };
}
