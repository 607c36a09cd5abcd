import { Redis } from 'ioredis';
import { createConnection, type Connection } from 'mysql2/promise';
import { startMapper, type RunningMapper, type StartMapperOptions } from '../../mapper/mapper.ts';
import type { MapperConfig } from '../../runtime/config/config.ts';
import { ALL_SLOTS } from '../../runtime/config/slots.ts';
import { createLog, type Log } from '../../runtime/log.ts';
import { ADMIN_TOKEN } from '../admin-token.ts';
import { randomKey } from '../db/urls-fixture.ts';
import { migratedDatabase } from '../migrated-database.ts';
import { recentLog } from '../recent-log.ts';
import { testRedis } from '../servers.ts';
import { until } from '../until.ts';
import { send } from './client.ts';

/** Stores of one test file: Redis shards and urls databases of their own, and mappers on them. */
export interface World extends AsyncDisposable {
  readonly redis: readonly { name: string; url: string; client: Redis }[];
  readonly urls: readonly { name: string; url: string; slots: readonly number[]; sql: Connection }[];
  /** Empty: it has no users database. */
  readonly usersUrl: string;
  /** Starts a mapper in this process. `overrides` replaces single settings of the tests. */
  start(overrides?: MapperOverrides): Promise<TestMapper>;
  /** The rows of these keys, whichever database has them. */
  rows(keys: readonly string[]): Promise<{ unique_id: string; original_url: string | null }[]>;
  /** The configuration of the next mapper, for a test that starts only a part of it. */
  configOf(
    overrides?: Omit<MapperOverrides, 'hasFastPaths' | 'batches' | 'savesMemory' | 'log'>,
  ): MapperConfig;
  /** Puts `count` fresh keys into a shard's pool. */
  fill(shard: number, count: number): Promise<string[]>;
}

export type MapperOverrides = Partial<Omit<MapperConfig, 'stores'>> & {
  stores?: Partial<MapperConfig['stores']>;
  /** False: Koa answers everything. */
  hasFastPaths?: boolean;
  /** How large batches of the counter are. */
  batches?: StartMapperOptions['batches'];
  /** Koa and the API are loaded when somebody asks. */
  savesMemory?: boolean;
  log?: Log;
};

export interface TestMapper extends RunningMapper {
  /** Stops the mapper as SIGTERM does. */
  terminate(): Promise<void>;
}

const testLog =
  process.env['KEYMILL_TEST_LOG'] === undefined ? recentLog : createLog('test', 'mapper', 'debug');

/** No server listens there, because a mapper must not need ZooKeeper. */
const NO_ZOOKEEPER = { connect: '127.0.0.1:1', sessionTimeoutMs: 2_000 };

/** For tests that are not about limits: they come from one address, and some with X-Forwarded-For. */
export const NO_LIMITS: MapperConfig['limits'] = {
  perMinute: {
    anonymous: 0,
    key: 0,
    session: 0,
    'sign-in': 0,
    'bad-credential': 0,
    'not-found': 0,
  },
  loopback: false,
  trustedProxies: [],
  redis: undefined,
};

export function randomKeys(count: number): string[] {
  return Array.from({ length: count }, randomKey);
}

/**
 * Creates a world of `shards` Redis shards, each with `keys` keys in its pool, and of `databases` urls
 * databases that share the slots evenly.
 * `hasUsers`: with a users database too, open for everybody.
 */
export async function createWorld({
  shards = 2,
  databases = 2,
  keys = 0,
  hasUsers = false,
} = {}): Promise<World> {
  const redis = (await testRedis(shards)).map(({ name, url }) => ({ name, url, client: new Redis(url) }));
  const urls = await Promise.all(
    Array.from({ length: databases }, async (_, index) => {
      const url = await migratedDatabase(`urls-${index + 1}`, 'urls');
      const size = ALL_SLOTS.length / databases;
      const slots = ALL_SLOTS.slice(index * size, (index + 1) * size);
      return { name: `urls-${index + 1}`, url, slots, sql: await createConnection(url) };
    }),
  );
  const fill = async (shard: number, count: number): Promise<string[]> => {
    const added = randomKeys(count);
    await redis[shard]?.client.rpush('keys:available', ...added);
    return added;
  };
  if (keys > 0) await Promise.all(redis.map(async (_, shard) => fill(shard, keys)));
  const usersUrl = hasUsers ? await migratedDatabase('users', 'users') : '';
  const mappers: TestMapper[] = [];
  const stores: MapperConfig['stores'] = {
    keySource: 'pools',
    redis,
    urlsDbs: urls,
    keysDbs: [],
    usersDb: hasUsers ? { url: usersUrl } : undefined,
    keys: { length: 8, secret: 'a secret for tests', regionBits: 10 },
    quarantineMs: 30_000,
  };
  const configOf = (
    overrides: Omit<MapperOverrides, 'hasFastPaths' | 'batches' | 'savesMemory' | 'log'> = {},
  ): MapperConfig => ({
    id: `mapper-${mappers.length + 1}`,
    logLevel: 'silent',
    admin: { host: '127.0.0.1', port: 0, names: [], token: ADMIN_TOKEN },
    http: { host: '127.0.0.1', port: 0 },
    zookeeper: NO_ZOOKEEPER,
    processes: 1,
    publicUrl: undefined,
    signup: 'open',
    limits: NO_LIMITS,
    allowPrivateTargets: false,
    maxUrlBytes: 2_048,
    reserve: 16,
    queueLimit: 1_000,
    cache: { maxBytes: 2 ** 22, ttlMs: 60_000 },
    clicks: { counted: true, flushMs: 50 },
    jobs: { keptDays: undefined, pollMs: 30_000 },
    ...overrides,
    stores: { ...stores, ...overrides.stores },
  });
  return {
    redis,
    urls,
    usersUrl,
    configOf,
    start: async ({ hasFastPaths = true, batches, savesMemory, log = testLog, ...overrides } = {}) => {
      const stopping = new AbortController();
      const config = configOf(overrides);
      const { signal } = stopping;
      const running = await startMapper({
        config,
        log,
        signal,
        lameDuckMs: 50,
        hasFastPaths,
        batches,
        savesMemory,
      });
      let stopped: Promise<void> | undefined;
      const terminate = async (): Promise<void> => {
        stopping.abort();
        stopped ??= running.stop();
        return stopped;
      };
      const mapper = { ...running, terminate, stop: terminate };
      mappers.push(mapper);
      if (config.stores.usersDb?.url === usersUrl) await untilUsersAnswer(mapper);
      return mapper;
    },
    rows: async (wanted) => {
      const query = 'SELECT unique_id, original_url FROM urls WHERE unique_id IN (?)';
      const found = await Promise.all(urls.map(async ({ sql }) => sql.query(query, [wanted])));
      return found.flatMap(([rows]) => rows as { unique_id: string; original_url: string | null }[]);
    },
    fill,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(mappers.map(async (mapper) => mapper.stop()));
      for (const { client } of redis) client.disconnect();
      await Promise.all(urls.map(async ({ sql }) => sql.end()));
    },
  };
}

/**
 * A mapper serves links before its users database has answered. When the first answers of a busy machine come
 * late, it refuses what needs accounts. Tests are not about that; those of an unfit database go on.
 */
async function untilUsersAnswer({ adminUrl }: RunningMapper): Promise<void> {
  const isUp = async (): Promise<boolean> => {
    const { text } = await send('GET', `${adminUrl}/metrics`);
    return text.includes('\nkeymill_users_db_up 1\n');
  };
  await until('the users database to answer', isUp, { timeoutMs: 10_000 }).catch(() => undefined);
}
