import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Connection } from '../../bench/load/connection.ts';
import { formatRequest } from '../../bench/load/requests.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { openOwnLinksDb } from '../../db/own-links/own-links-db.ts';
import type { AnnouncedChange } from '../../mapper/cache/announce-change.ts';
import { stopAtEnd, testRedis, testServices } from '../servers.ts';
import type { RedisServer } from '../servers/services.ts';
import { until } from '../until.ts';
import { People } from './api/people.ts';
import { startMapperProcess, type MapperProcess } from './mapper-process.ts';
import { ownedRow } from './own-links-fixture.ts';
import { createWorld, randomKeys, type World } from './world.ts';

const SHARDS = 4;
const MAPPERS = 2;
const LINKS = 20;
/** To each mapper. The kernel gives all of them to one of its two processes once in 128 times. */
const CONNECTIONS = 8;
/** To each mapper, which follow links without a pause, so that reads are in flight when a link changes. */
const BUSY = 1;

/** Two mappers of two processes each, on four Redis of their own, and an editor at the second mapper. */
export interface HeardWorld extends AsyncDisposable {
  readonly keys: readonly string[];
  readonly redis: readonly RedisServer[];
  readonly mappers: readonly MapperProcess[];
  /** Changes the target by PATCH. @returns who has heard, by the answer, and how long it took */
  change(key: string, target: string): Promise<AnnouncedChange & { readonly tookMs: number }>;
  /** Where the link leads, on every connection to every process. */
  follow(key: string): Promise<string[]>;
}

/** @param isCacheShared whether links are cached on two more Redis, and not in memory */
export async function createHeardWorld({ ttlMs = 60_000, isCacheShared = false } = {}): Promise<HeardWorld> {
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await createWorld({ shards: 0, hasUsers: true }));
  const services = await testServices();
  const redis = await Promise.all(
    Array.from({ length: SHARDS }, async (_, index) =>
      stopAtEnd(services.startRedis({ id: `heard-${index + 1}` })),
    ),
  );
  for (const server of redis) stack.defer(async () => server.stop());
  const shards = redis.map((server, index) => ({ name: `redis-${index + 1}`, url: server.url() }));
  const cacheShards = isCacheShared ? await testRedis(2) : [];
  const keys = randomKeys(LINKS);
  const children: ChildProcess[] = [];
  stack.defer(async () => endAll(children));
  const mappers = await Promise.all(
    Array.from({ length: MAPPERS }, async (_, index) =>
      startMapperProcess({ redis: shards, urls: world.urls }, (child) => children.push(child), {
        KEYMILL_ID: `mapper-${index + 1}`,
        KEYMILL_PROCESSES: '2',
        KEYMILL_USERS_DB: world.usersUrl,
        KEYMILL_CACHE_TTL_MS: String(ttlMs),
        ...(isCacheShared && {
          KEYMILL_CACHE_REDIS: cacheShards.map(({ name, url }) => `${name}=${url}`).join(','),
          KEYMILL_CACHE_MAX_BYTES: '0',
        }),
      }),
    ),
  );
  const editor = await openEditor(mappers.at(-1)?.url ?? '', await ownLinks(world, keys), stack);
  const clients = await Promise.all(
    mappers.flatMap(({ url }) => Array.from({ length: CONNECTIONS }, async () => openClient(url, stack))),
  );
  const heardWorld = {
    keys,
    redis,
    mappers,
    change: editor,
    follow: async (key: string) => Promise.all(clients.map(async (client) => client.follow(key))),
  };
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
  await until('all processes to hear each Redis', async () => {
    const { isHeardByAll } = await heardWorld.change(keys[0] ?? '', 'https://example.com/first');
    return isHeardByAll;
  });
  const opened = stack.move();
  return { ...heardWorld, [Symbol.asyncDispose]: async () => opened.disposeAsync() };
}

/** Makes links with these keys. @returns an API key of their owner */
async function ownLinks({ urls, usersUrl }: World, keys: readonly string[]): Promise<string> {
  await using people = new People(usersUrl);
  const owner = await people.person();
  for (const { name, url, slots } of urls) {
    const db = openOwnLinksDb({ name, url, slots });
    const own = keys.filter((key) => slots.includes(slotOf(key)));
    await db.insert(own.map((key) => ownedRow({ userId: owner.id, isAdmin: false }, { key })));
    await db.close();
  }
  return (await people.key(owner, ['links:write'])).key;
}

/** Changes targets through one mapper. */
async function openEditor(
  url: string,
  apiKey: string,
  stack: AsyncDisposableStack,
): Promise<HeardWorld['change']> {
  const connection = await Connection.open(url);
  stack.defer(() => connection.close());
  const { host } = new URL(url);
  return async (key, target) => {
    const body = JSON.stringify({ long_url: target });
    const head = [
      `PATCH /urls/${key} HTTP/1.1`,
      `Host: ${host}`,
      `Authorization: Bearer ${apiKey}`,
      'Content-Type: application/json',
      `Content-Length: ${Buffer.byteLength(body)}`,
    ];
    const startedMs = performance.now();
    const answer = await connection.ask(`${head.join('\r\n')}\r\n\r\n${body}`);
    const tookMs = performance.now() - startedMs;
    if (answer.status !== 200) throw new Error(answer.raw);
    const seconds = / up to (\d+) s"/.exec(answer.body)?.[1];
    return { isHeardByAll: seconds === undefined, othersMayLagMs: Number(seconds ?? 0) * 1_000, tookMs };
  };
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
