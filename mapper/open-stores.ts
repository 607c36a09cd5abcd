import { openUrlsDb, type UrlsDb } from '../db/urls/links.ts';
import { openUrlsReplica } from '../db/urls/urls-replica.ts';
import { openPool } from '../db/redis/pool.ts';
import { monotonicMs } from '../runtime/clock.ts';
import type { StoresConfig, UrlsReplicaConfig } from '../runtime/config/stores.ts';
import type { Log } from '../runtime/log.ts';
import { Breaker } from '../runtime/breaker.ts';
import { pollEvery } from '../runtime/polling.ts';
import { POOL_BREAKER } from './breakers.ts';
import { WatchedPool } from './keys/watched-pool.ts';
import { Replica } from './urls/replica.ts';
import { UrlsServer } from './urls/urls-server.ts';
import { UrlsServers } from './urls/urls-servers.ts';

export interface OpenStoresOptions {
  readonly config: StoresConfig;
  readonly replicas: readonly UrlsReplicaConfig[];
  /** How far behind a replica may be. */
  readonly maxLagMs: number;
  /** Most rows that may wait for one urls server. */
  readonly queueLimit: number;
  /** Keys of a take that answered after its deadline. */
  readonly onLateKeys: (from: WatchedPool, keys: readonly string[]) => void;
  readonly onBatch: (rows: number) => void;
  readonly log: Log;
}

/** The stores a mapper uses, watched: levels and health are kept fresh in the background. */
export interface Stores extends AsyncDisposable {
  readonly pools: readonly WatchedPool[];
  readonly servers: UrlsServers;
}

const POOL_POLL_MS = 250;
const POOL_POLL_TIMEOUT_MS = 500;
const URLS_POLL_MS = 250;
/** How long starting waits for stores that do not answer: they are taken up when they come. */
const FIRST_ANSWER_MS = 3_000;

/**
 * Opens everything and waits, shortly, until all stores have answered once.
 * @throws MismatchError when a urls server, or a replica of one, records other slots than the configuration gives it
 */
export async function openStores(options: OpenStoresOptions): Promise<Stores> {
  await using stack = new AsyncDisposableStack();
  const pools = options.config.redis.map((shard) => openWatchedPool(shard, options, stack));
  const servers = openUrlsServers(options, stack);
  const stopping = new AbortController();
  await withinFirstAnswer([
    ...pools.map(async (view) => {
      if (await view.pool.whenConnected(FIRST_ANSWER_MS)) await view.poll(POOL_POLL_TIMEOUT_MS);
    }),
    ...[...servers.all, ...servers.replicas].map(async (server) => {
      await server.poll();
      await server.warmUp();
    }),
  ]);
  const polls = [
    ...pools.map(async (view) =>
      pollEvery(POOL_POLL_MS, stopping.signal, async () => view.poll(POOL_POLL_TIMEOUT_MS)),
    ),
    ...[...servers.all, ...servers.replicas].map(async (server) =>
      pollEvery(URLS_POLL_MS, stopping.signal, async () => server.pollQuietly()),
    ),
  ];
  stack.defer(async () => {
    stopping.abort();
    await Promise.all(polls);
  });
  const opened = stack.move();
  return { pools, servers, [Symbol.asyncDispose]: async () => opened.disposeAsync() };
}

function openWatchedPool(
  { name, url }: { name: string; url: string },
  { onLateKeys, log }: OpenStoresOptions,
  stack: AsyncDisposableStack,
): WatchedPool {
  const pool = stack.use(openPool({ name, url, log, onLateKeys: (keys) => onLateKeys(view, keys) }));
  const breaker = new Breaker({
    ...POOL_BREAKER,
    now: monotonicMs,
    onChanged: (state) => {
      if (state !== 'half-open') log.warn({ pool: name, state }, 'pool: breaker changed');
    },
  });
  const view: WatchedPool = new WatchedPool(pool, breaker, monotonicMs);
  return view;
}

function openUrlsServers(options: OpenStoresOptions, stack: AsyncDisposableStack): UrlsServers {
  const { config, queueLimit, onBatch, log } = options;
  const dbs = config.urlsDbs.map(({ name, url, slots }) => openUrlsDb({ name, url, slots, log }));
  for (const db of dbs) stack.defer(async () => db.close());
  const servers = dbs.map(
    (db) =>
      new UrlsServer({
        db,
        siblings: dbs,
        openReplicas: (isPrimaryUp) => openReplicas(db, isPrimaryUp, options, stack),
        queueLimit,
        onBatch,
        now: monotonicMs,
        log,
      }),
  );
  return new UrlsServers(dbs, servers);
}

function openReplicas(
  server: UrlsDb,
  isPrimaryUp: () => boolean,
  { replicas, maxLagMs, queueLimit, log }: OpenStoresOptions,
  stack: AsyncDisposableStack,
): Replica[] {
  return replicas
    .filter((replica) => replica.server === server.name)
    .map(({ url }, index) => {
      const db = openUrlsReplica({ name: `${server.name}-replica-${index + 1}`, url, server });
      stack.defer(async () => db.close());
      return new Replica({ db, isPrimaryUp, maxLagMs, queueLimit, now: monotonicMs, log });
    });
}

/** Waits for all, or until time is up; a rejection counts at once. */
async function withinFirstAnswer(answers: readonly Promise<void>[]): Promise<void> {
  const { promise: timeIsUp, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, FIRST_ANSWER_MS);
  try {
    await Promise.race([Promise.all(answers), timeIsUp]);
  } finally {
    clearTimeout(timer);
  }
}
