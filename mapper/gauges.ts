import type { Metrics } from '../runtime/metrics.ts';
import type { MapperCaches } from './caches.ts';
import type { KeySupply } from './keys/key-supply.ts';
import type { HealthOfBlobs, HealthOfUsers, MapperStores } from './stores.ts';

interface WatchedParts {
  readonly stores: MapperStores;
  readonly users: HealthOfUsers & { readonly isRefused: boolean };
  readonly supply: KeySupply;
  readonly caches: MapperCaches;
}

/** Registers the values that are read at every scrape. */
export function watchGauges(metrics: Metrics, { stores, users, supply, caches }: WatchedParts): void {
  const { pools, counter, servers } = stores;
  const { links } = caches;
  if (counter !== undefined) watchCounter(metrics, counter);
  metrics.gauge(
    'pool_level',
    'Ready keys in a pool, by its last answer',
    ['pool'],
    (gauge) => {
      for (const { name, level } of pools) gauge.set({ pool: name }, level);
    },
    'max',
  );
  metrics.gauge(
    'pool_healthy',
    'Whether this mapper draws from a pool',
    ['pool'],
    (gauge) => {
      for (const { name, isHealthy } of pools) gauge.set({ pool: name }, Number(isHealthy));
    },
    'min',
  );
  metrics.gauge(
    'announcements_heard',
    'Whether announcements of new and changed links on a Redis arrive at this mapper',
    ['pool'],
    (gauge) => {
      for (const { name } of pools) gauge.set({ pool: name }, Number(caches.hears(name)));
    },
    'min',
  );
  metrics.gauge(
    'store_refused',
    '1 for a store that answers and is not used, because a person must mend it',
    ['store', 'reason'],
    (gauge) => {
      gauge.reset();
      for (const { name, refusal } of pools)
        if (refusal !== undefined) gauge.set({ store: name, reason: refusal }, 1);
      for (const { name, isRefused } of servers.all)
        if (isRefused) gauge.set({ store: name, reason: 'mismatch' }, 1);
      if (users.isRefused) gauge.set({ store: 'users', reason: 'mismatch' }, 1);
    },
    'max',
  );
  metrics.gauge(
    'urls_db_up',
    'Whether a urls server answers reads and owns the slots of the map',
    ['urls_db'],
    (gauge) => {
      for (const { name, isUp } of servers.all) gauge.set({ urls_db: name }, Number(isUp));
    },
    'min',
  );
  metrics.gauge(
    'urls_db_writable',
    'Whether a urls server is up and takes new links',
    ['urls_db'],
    (gauge) => {
      for (const { name, isWritable } of servers.all) gauge.set({ urls_db: name }, Number(isWritable));
    },
    'min',
  );
  metrics.gauge(
    'urls_db_takes_own_links',
    'Whether a urls server is up and takes new links of owners',
    ['urls_db'],
    (gauge) => {
      for (const server of servers.all) gauge.set({ urls_db: server.name }, Number(server.takes('owned')));
    },
    'min',
  );
  metrics.gauge(
    'urls_replica_up',
    'Whether a replica of a urls server is read: it answers, copies that server and does not lag too far',
    ['replica'],
    (gauge) => {
      for (const { name, isUp } of servers.replicas) gauge.set({ replica: name }, Number(isUp));
    },
    'min',
  );
  if (users.isConfigured)
    metrics.gauge(
      'users_db_up',
      'Whether the users database answers: without it nobody signs in',
      [],
      (gauge) => gauge.set(Number(users.isUp)),
      'min',
    );
  metrics.gauge('keys_held', 'Keys taken and not yet bound: the reserve and those in flight', [], (gauge) => {
    gauge.set(supply.heldKeys().length);
  });
  metrics.gauge('link_cache_bytes', 'Memory of the link cache, as accounted', [], (gauge) =>
    gauge.set(links.bytes),
  );
  metrics.gauge('link_cache_entries', 'Entries of the link cache', [], (gauge) => gauge.set(links.size));
}

function watchCounter(metrics: Metrics, counter: NonNullable<MapperStores['counter']>): void {
  metrics.gauge(
    'counter_ids',
    'Ids that were reserved by counter and whose keys were not drawn yet',
    [],
    (gauge) => gauge.set(counter.inMemory),
  );
  metrics.gauge(
    'counter_healthy',
    'Whether further batches of ids can be reserved by counter',
    [],
    (gauge) => gauge.set(Number(counter.canReserve)),
    'min',
  );
}

/** Who serves the connections of clients: most should stay at the front, which is the fastest. */
export function watchConnections(
  metrics: Metrics,
  server: { connections(): { readonly front: number; readonly node: number } },
): void {
  metrics.gauge(
    'http_connections',
    'Open connections of clients, by who serves them: the front at the socket, or node:http',
    ['served_by'],
    (gauge) => {
      const { front, node } = server.connections();
      gauge.set({ served_by: 'front' }, front);
      gauge.set({ served_by: 'node_http' }, node);
    },
  );
}

/** The Redis of `KEYMILL_LIMITS_REDIS`: while it is away, nobody makes a link without an account. */
export function watchLimits(
  metrics: Metrics,
  { shared }: { readonly shared: { readonly isConnected: boolean } | undefined },
): void {
  if (shared === undefined) return;
  metrics.gauge(
    'limits_redis_up',
    'Whether the Redis that counts the requests of clients answers',
    [],
    (gauge) => gauge.set(Number(shared.isConnected)),
    'min',
  );
}

/** The memory of a process for pictures. */
export function watchPictures(
  metrics: Metrics,
  memory: { readonly bytes: number; readonly size: number },
): void {
  metrics.gauge('image_cache_bytes', 'Memory of pictures that are asked for often', [], (gauge) =>
    gauge.set(memory.bytes),
  );
  metrics.gauge('image_cache_entries', 'Pictures and thumbnails in memory', [], (gauge) =>
    gauge.set(memory.size),
  );
}

/** Clients that watch the clicks of links as they happen. */
export function watchLive(
  metrics: Metrics,
  live: { readonly listeners: number; readonly watchedLinks: number },
): void {
  metrics.gauge('live_listeners', 'Clients that watch the clicks of a link', [], (gauge) =>
    gauge.set(live.listeners),
  );
  metrics.gauge(
    'live_watched_links',
    'Links whose clicks somebody watches, at any mapper',
    [],
    (gauge) => gauge.set(live.watchedLinks),
    'max',
  );
}

/** The list of `KEYMILL_BLOCKED_DOMAINS`. */
export function watchBlockedList(
  metrics: Metrics,
  list: { readonly size: number; readonly isReadable: boolean },
): void {
  metrics.gauge('blocked_domains', 'Domains to which no link may point', [], (gauge) => gauge.set(list.size));
  metrics.gauge(
    'blocked_domains_readable',
    'Whether the file of blocked domains could be read when it was last looked at',
    [],
    (gauge) => gauge.set(Number(list.isReadable)),
    'min',
  );
}

/** Whether the store of images answers. */
export function watchBlobs(metrics: Metrics, blobs: HealthOfBlobs): void {
  metrics.gauge(
    'blob_store_up',
    'Whether the store of images has answered last',
    [],
    (gauge) => gauge.set(Number(blobs.isUp)),
    'min',
  );
  metrics.gauge(
    'blob_store_writable',
    'Whether the store of images answers and takes images',
    [],
    (gauge) => gauge.set(Number(blobs.isWritable)),
    'min',
  );
}
