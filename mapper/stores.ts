import type { Keyspace } from '../db/keyspace/key.ts';
import type { WantsEvents } from '../db/outbox/link-events.ts';
import { openOwnLinksDb, type OwnLinksDb } from '../db/own-links/own-links-db.ts';
import { openPool } from '../db/redis/pool.ts';
import { openReservationsDb, type ReservationsDb } from '../db/reservations/reservations-db.ts';
import { openUrlsDb, type UrlsDb } from '../db/urls/links.ts';
import { openUrlsReplica } from '../db/urls/urls-replica.ts';
import { openVisitsDb, type VisitsDb } from '../db/urls/visits.ts';
import type { Readiness } from '../runtime/admin.ts';
import { Breaker } from '../runtime/breaker.ts';
import { monotonicMs } from '../runtime/clock.ts';
import { POOL_BREAKER } from '../runtime/config/breakers.ts';
import type { MapperConfig } from '../runtime/config/config.ts';
import { findCounterRegion } from '../runtime/config/stores.ts';
import type { Log } from '../runtime/log.ts';
import { logBreaker } from '../runtime/log-breaker.ts';
import { endPolls, pollEvery } from '../runtime/polling.ts';
import { ClaimMarks } from './keys/claim-marks.ts';
import type { CounterSource } from './keys/counter-source.ts';
import { IssuedKeys } from './keys/issued-keys.ts';
import { WatchedPool } from './keys/watched-pool.ts';
import { openCounter, UNCOUNTED, type CounterEvents, type OpenCounterOptions } from './open-counter.ts';
import { Replica } from './urls/replica.ts';
import { UrlsServer } from './urls/urls-server.ts';
import { UrlsServers } from './urls/urls-servers.ts';

/** Whether events must be written where links are changed. It asks no store. */
export interface EventWishes {
  /** Of the links of this owner. */
  readonly areWanted: WantsEvents;
  /** Of any link. */
  readonly mayBeWanted: () => boolean;
}

const UNWANTED: EventWishes = { areWanted: () => false, mayBeWanted: () => false };

export interface OpenStoresOptions {
  readonly config: MapperConfig;
  /** Of the configuration. Stores of another one are refused. */
  readonly keyspace: Keyspace;
  /** Called with the number of rows of each INSERT. */
  readonly onBatch: (rows: number) => void;
  /** Default: nobody wants any. */
  readonly events?: EventWishes;
  /** How large batches of the counter are. A test makes small ones. */
  readonly batches?: OpenCounterOptions['batches'];
  /** What becomes of batches of the counter. Default: nobody counts them. */
  readonly counterEvents?: CounterEvents;
  readonly log: Log;
}

/** The stores of a mapper. Polls in the background keep their levels and health up to date. */
export interface MapperStores extends AsyncDisposable {
  readonly keyspace: Keyspace;
  readonly pools: readonly WatchedPool[];
  /** Where this mapper gets its keys. Undefined: from the pools. */
  readonly counter: CounterSource | undefined;
  readonly servers: UrlsServers;
  readonly issued: IssuedKeys;
}

const POOL_POLL_MS = 250;
const POOL_POLL_TIMEOUT_MS = 500;
const CLAIM_MARKS_POLL_MS = 1_000;
const URLS_POLL_MS = 250;
const FOREIGN_CODES_POLL_MS = 1_000;
/** How long the start waits for stores that do not answer. They are used as soon as they do. */
const FIRST_ANSWER_MS = 3_000;

/**
 * Opens all stores and waits until each has answered once, for at most {@link FIRST_ANSWER_MS}.
 * @throws MismatchError when a pool, a urls server or a replica belongs to another keyspace, when a urls
 *   server or replica records other slots than the configuration gives it, or when a keys-db has the region
 *   of keys that were given out by counter
 */
export async function openStores(options: OpenStoresOptions): Promise<MapperStores> {
  await using stack = new AsyncDisposableStack();
  const pools = options.config.stores.redis.map((shard) => openWatchedPool(shard, options, stack));
  const servers = openUrlsServers(options, stack);
  const issued = createIssuedKeys(options);
  const counter = stack.use(
    openCounter({
      stores: options.config.stores,
      keyspace: options.keyspace,
      issued,
      findBound: async (keys) => servers.findBound(keys),
      batches: options.batches,
      events: options.counterEvents ?? UNCOUNTED,
      log: options.log,
    }),
  );
  const keysDbs = options.config.stores.keysDbs.map(({ name }) => name);
  const stopping = new AbortController();
  await withinFirstAnswer([
    ...pools.map(async (watched) => {
      if (await watched.pool.whenConnected(FIRST_ANSWER_MS)) await watched.poll(POOL_POLL_TIMEOUT_MS);
    }),
    ...[...servers.all, ...servers.replicas].map(async (server) => {
      await server.poll();
      await server.warmUp();
    }),
    counter.firstBatch,
  ]);
  const polls = [
    ...pools.map(async (watched) =>
      pollEvery(POOL_POLL_MS, stopping.signal, async () => watched.pollQuietly(POOL_POLL_TIMEOUT_MS)),
    ),
    ...pools.map(async (watched) => {
      const marks = new ClaimMarks({ pool: watched.pool, keysDbs, issued, log: options.log });
      return pollEvery(CLAIM_MARKS_POLL_MS, stopping.signal, async () => {
        if (watched.isHealthy) await marks.read(POOL_POLL_TIMEOUT_MS);
      });
    }),
    ...[...servers.all, ...servers.replicas].map(async (server) =>
      pollEvery(URLS_POLL_MS, stopping.signal, async () => server.pollQuietly()),
    ),
    ...servers.all.map(async (server) =>
      pollEvery(URLS_POLL_MS, stopping.signal, async () => servers.pollWrites(server)),
    ),
    ...servers.all.map(async (server) =>
      pollEvery(FOREIGN_CODES_POLL_MS, stopping.signal, async () => server.lookForForeignCodes()),
    ),
  ];
  stack.defer(async () => {
    stopping.abort();
    await endPolls(...polls);
  });
  const opened = stack.move();
  const { keyspace } = options;
  return {
    keyspace,
    pools,
    counter: counter.source,
    servers,
    issued,
    [Symbol.asyncDispose]: async () => opened.disposeAsync(),
  };
}

function openWatchedPool(
  { name, url }: { name: string; url: string },
  { keyspace, log }: OpenStoresOptions,
  stack: AsyncDisposableStack,
): WatchedPool {
  const pool = stack.use(openPool({ name, url, keyspace, log }));
  const breaker = new Breaker({
    ...POOL_BREAKER,
    now: monotonicMs,
    onChanged: logBreaker(log, 'pool: breaker changed', { pool: name }),
  });
  return new WatchedPool({ pool, breaker, keyLength: keyspace.length, now: monotonicMs, log });
}

function createIssuedKeys({ config: { stores }, keyspace }: OpenStoresOptions): IssuedKeys {
  return new IssuedKeys({
    keyspace,
    keysDbs: stores.keysDbs,
    pools: stores.redis.map(({ name }) => name),
    counterRegion: findCounterRegion(stores),
    now: monotonicMs,
  });
}

function openUrlsServers(options: OpenStoresOptions, stack: AsyncDisposableStack): UrlsServers {
  const { config, keyspace, onBatch, events = UNWANTED, log } = options;
  const { queueLimit } = config;
  const dbs = config.stores.urlsDbs.map(({ name, url, slots }) =>
    openUrlsDb({ name, url, slots, keyspace, log }),
  );
  const ownDbs = config.stores.urlsDbs.map((urlsDb) =>
    openOwnLinksDb({ ...urlsDb, wantsEvents: events.areWanted }),
  );
  const reservationDbs = config.stores.urlsDbs.map((urlsDb) => openReservationsDb(urlsDb));
  const visitDbs = config.stores.urlsDbs.map((urlsDb) =>
    openVisitsDb({ ...urlsDb, mayWantEvents: events.mayBeWanted }),
  );
  for (const db of [...dbs, ...ownDbs, ...reservationDbs, ...visitDbs]) stack.defer(async () => db.close());
  const servers = dbs.map(
    (db, index) =>
      new UrlsServer({
        db,
        ownLinks: ownDbs[index] as OwnLinksDb,
        reservations: reservationDbs[index] as ReservationsDb,
        visits: visitDbs[index] as VisitsDb,
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
  { config, keyspace, log }: OpenStoresOptions,
  stack: AsyncDisposableStack,
): Replica[] {
  const { urlsReplicas = [], queueLimit, cache } = config;
  return urlsReplicas
    .filter((replica) => replica.server === server.name)
    .map(({ url }, index) => {
      const name = `${server.name}-replica-${index + 1}`;
      const db = openUrlsReplica({ name, url, server, keyspace, log });
      stack.defer(async () => db.close());
      // A cached link may be as old as its time to live, so a replica may be as far behind.
      return new Replica({ db, isPrimaryUp, maxLagMs: cache.ttlMs, queueLimit, now: monotonicMs, log });
    });
}

/** Waits for all answers, or until the time is up. A rejection ends the wait immediately. */
async function withinFirstAnswer(answers: readonly Promise<void>[]): Promise<void> {
  const { promise: timeIsUp, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, FIRST_ANSWER_MS);
  try {
    await Promise.race([Promise.all(answers), timeIsUp]);
  } finally {
    clearTimeout(timer);
  }
}

/** The users database: accounts need it, links do not. */
export interface HealthOfUsers {
  readonly isConfigured: boolean;
  readonly isUp: boolean;
  /** It answers and takes changes. */
  readonly isWritable: boolean;
}

interface HealthOfOthers {
  readonly users: HealthOfUsers;
  /** The Redis that counts requests of clients for all mappers, if there is one. */
  readonly counts: { readonly name: string; readonly isConnected: boolean } | undefined;
  /** The Redis servers that cache links for all mappers, if there are any. */
  readonly cache: { readonly silent: readonly string[] } | undefined;
  /** The store of images, if there are any. */
  readonly blobs: HealthOfBlobs | undefined;
}

export interface HealthOfBlobs {
  readonly name: string;
  readonly isUp: boolean;
  /** It answers and takes images. */
  readonly isWritable: boolean;
}

/** Ready as long as redirects can be served at all. Names every store that is degraded. */
export function readinessOf(
  { pools, counter, servers, users, counts, cache, blobs }: MapperStores & HealthOfOthers,
  signal: AbortSignal,
): Readiness {
  const degraded = [
    ...(counter !== undefined && !counter.canReserve ? [counter.name] : []),
    ...pools.filter(({ isHealthy }) => !isHealthy).map(({ name }) => name),
    ...[...servers.all, ...servers.replicas].filter(({ isUp }) => !isUp).map(({ name }) => name),
    ...servers.all.filter(({ isUp, isWritable }) => isUp && !isWritable).map(({ name }) => `${name} writes`),
    ...servers.all
      .filter((server) => server.isWritable && !server.takes('owned'))
      .map(({ name }) => `${name} own links`),
    ...(users.isConfigured && !users.isUp ? ['users'] : []),
    ...(users.isUp && !users.isWritable ? ['users writes'] : []),
    ...(counts !== undefined && !counts.isConnected ? [counts.name] : []),
    ...(cache?.silent ?? []),
    ...(blobs !== undefined && !blobs.isUp ? [blobs.name] : []),
    ...(blobs !== undefined && blobs.isUp && !blobs.isWritable ? [`${blobs.name} writes`] : []),
  ];
  const keys =
    counter?.inMemory ?? pools.reduce((sum, { isHealthy, level }) => sum + (isHealthy ? level : 0), 0);
  return { ok: !signal.aborted && servers.isAnyReadable, stopping: signal.aborted, degraded, keys };
}
