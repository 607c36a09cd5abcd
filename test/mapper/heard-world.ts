import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Connection } from '../../bench/load/connection.ts';
import { formatRequest } from '../../bench/load/requests.ts';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { openPool } from '../../db/redis/pool.ts';
import type { AnnouncedChange } from '../../mapper/cache/announce-change.ts';
import { openCaches } from '../../mapper/caches.ts';
import { createLog } from '../../runtime/log.ts';
import { stopAtEnd, testRedis, testServices } from '../servers.ts';
import type { RedisServer } from '../servers/services.ts';
import { until } from '../until.ts';
import { MAPPER_KEYS, startMapperProcess, type MapperProcess } from './mapper-process.ts';
import { createWorld, randomKeys } from './world.ts';

const log = createLog('test', 'editor', 'silent');
const SHARDS = 4;
const MAPPERS = 2;
const LINKS = 20;
/** To each mapper. The kernel gives all of them to one of its two processes once in 128 times. */
const CONNECTIONS = 8;
/** To each mapper, which follow links without a pause, so that reads are in flight when a link changes. */
const BUSY = 1;

/**
 * Two mappers of two processes each, on four Redis of their own, and an editor: it changes links in MySQL and
 * announces the change by the same function as a mapper.
 */
export interface HeardWorld extends AsyncDisposable {
  readonly keys: readonly string[];
  readonly redis: readonly RedisServer[];
  readonly mappers: readonly MapperProcess[];
  /** Changes the target, and announces it. @returns who has heard, and how long the announcement took */
  change(key: string, target: string): Promise<AnnouncedChange & { readonly tookMs: number }>;
  /** Where the link leads, on every connection to every process. */
  follow(key: string): Promise<string[]>;
}

/** @param isCacheShared whether links are cached on two more Redis, and not in memory */
export async function createHeardWorld({ ttlMs = 60_000, isCacheShared = false } = {}): Promise<HeardWorld> {
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await createWorld({ shards: 0 }));
  const services = await testServices();
  const redis = await Promise.all(
    Array.from({ length: SHARDS }, async (_, index) =>
      stopAtEnd(services.startRedis({ id: `heard-${index + 1}` })),
    ),
  );
  for (const server of redis) stack.defer(async () => server.stop());
  const shards = redis.map((server, index) => {
    const [name, url] = [`redis-${index + 1}`, server.url()];
    return { name, url, pool: stack.use(openPool({ name, url, log })) };
  });
  const cacheShards = isCacheShared ? await testRedis(2) : [];
  const keys = randomKeys(LINKS);
  const children: ChildProcess[] = [];
  stack.defer(async () => endAll(children));
  const mappers = await Promise.all(
    Array.from({ length: MAPPERS }, async (_, index) =>
      startMapperProcess({ redis: shards, urls: world.urls }, (child) => children.push(child), {
        KEYMILL_ID: `mapper-${index + 1}`,
        KEYMILL_PROCESSES: '2',
        KEYMILL_CACHE_TTL_MS: String(ttlMs),
        ...(isCacheShared && {
          KEYMILL_CACHE_REDIS: cacheShards.map(({ name, url }) => `${name}=${url}`).join(','),
          KEYMILL_CACHE_MAX_BYTES: '0',
        }),
      }),
    ),
  );
  const editor = stack.use(
    await openCaches({
      config: { stores: { redis: shards }, cache: { maxBytes: 0, ttlMs, shards: cacheShards } },
      keyspace: createKeyspace(MAPPER_KEYS),
      pools: shards,
      mayAppear: () => false,
      accounts: { hear: () => false, forgetAll: () => undefined },
      onAnnounced: () => undefined,
      log,
    }),
  );
  const clients = await Promise.all(
    mappers.flatMap(({ url }) => Array.from({ length: CONNECTIONS }, async () => openClient(url, stack))),
  );
  const everywhere = async (sql: string, values: readonly unknown[]): Promise<void> => {
    await Promise.all(world.urls.map(async (server) => server.sql.query(sql, [...values])));
  };
  const heardWorld = {
    keys,
    redis,
    mappers,
    change: async (key: string, target: string) => {
      await everywhere(UPDATE, [target, slotOf(key), key]);
      const startedMs = performance.now();
      const announced = await editor.announceChange(key);
      return { ...announced, tookMs: performance.now() - startedMs };
    },
    follow: async (key: string) => Promise.all(clients.map(async (client) => client.follow(key))),
  };
  await everywhere(INSERT, [keys.map((key) => rowOf(key))]);
  for (const key of keys) await heardWorld.follow(key);
  const stopping = new AbortController();
  const busy = await Promise.all(
    mappers.flatMap(({ url }) => Array.from({ length: BUSY }, async () => openClient(url, stack))),
  );
  const following = busy.map(async (client) => followAll(client, keys, stopping.signal));
  stack.defer(async () => {
    stopping.abort();
    await Promise.all(following);
  });
  await until('all processes and the editor to hear each Redis', async () => {
    const { isHeardByAll } = await heardWorld.change(keys[0] ?? '', 'https://example.com/first');
    return isHeardByAll;
  });
  const opened = stack.move();
  return { ...heardWorld, [Symbol.asyncDispose]: async () => opened.disposeAsync() };
}

const UPDATE = 'UPDATE urls SET original_url = ? WHERE slot = ? AND unique_id = ?';
const INSERT = 'INSERT INTO urls (slot, unique_id, original_url, created_at, request_id) VALUES ?';

function rowOf(key: string): unknown[] {
  return [slotOf(key), key, 'https://example.com/0', new Date(), randomBytes(16)];
}

interface Client {
  /** The target of a link, or the status of any other answer. */
  follow(key: string): Promise<string>;
}

async function openClient(url: string, stack: AsyncDisposableStack): Promise<Client> {
  const connection = await Connection.open(url);
  stack.defer(() => connection.close());
  return {
    follow: async (key) => {
      const { raw, status } = await connection.ask(formatRequest(url, `/${key}`));
      return /\r\nlocation: (\S+)/i.exec(raw)?.[1] ?? String(status);
    },
  };
}

/** Follows the links without a pause, so that some are being read when they change. */
async function followAll(client: Client, keys: readonly string[], signal: AbortSignal): Promise<void> {
  for (let at = 0; !signal.aborted; at += 1) await client.follow(keys[at % keys.length] ?? '');
}

async function endAll(children: readonly ChildProcess[]): Promise<void> {
  await Promise.all(
    children.map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }),
  );
}
