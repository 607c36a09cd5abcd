import type { KeyspaceIdentity } from '../runtime/config/keyspace-identity.ts';
import { subscribeInvalidations } from '../db/redis/invalidation.ts';
import { monotonicMs } from '../runtime/clock.ts';
import type { MapperConfig } from '../runtime/config/config.ts';
import type { Log } from '../runtime/log.ts';
import { createAnnounceChange, type AnnounceChange, type AnnouncingPool } from './cache/announce-change.ts';
import { LinkCache } from './cache/link-cache.ts';
import { openSharedCache } from './cache/open-shared-cache.ts';
import type { SharedCache } from './cache/shared-cache.ts';

/** The caches of a mapper, and the function that announces a change to all mappers. */
export interface MapperCaches extends AsyncDisposable {
  readonly links: LinkCache;
  /** The Redis shards that cache links for all mappers; undefined when there are none. */
  readonly shared: SharedCache | undefined;
  readonly announceChange: AnnounceChange;
}

export interface OpenCachesOptions {
  readonly config: MapperConfig;
  readonly keyspace: KeyspaceIdentity;
  readonly pools: readonly AnnouncingPool[];
  /** Whether a key may become a link without an announcement. */
  readonly mayAppear: (key: string) => boolean;
  readonly log: Log;
}

/** Opens the caches and subscribes to the changes that other mappers announce. */
export async function openCaches({
  config,
  keyspace,
  pools,
  mayAppear,
  log,
}: OpenCachesOptions): Promise<MapperCaches> {
  await using stack = new AsyncDisposableStack();
  const readsMayLag = (config.urlsReplicas ?? []).length > 0;
  const links: LinkCache = new LinkCache({
    ...config.cache,
    readsMayLag,
    mayAppear,
    isHearing: () => invalidations.isHearing,
    now: monotonicMs,
  });
  const invalidations = stack.use(
    subscribeInvalidations({
      servers: config.stores.redis,
      log,
      onInvalidated: (key) => links.invalidate(key),
      // Announcements may have been missed while the subscription was down.
      onSubscribed: () => links.flush(),
      onHeardAgain: () => links.forgetUnknown(),
    }),
  );
  const shared = await openSharedCache({ config, keyspace, log }, stack);
  const opened = stack.move();
  return {
    links,
    shared,
    announceChange: createAnnounceChange({ pools, shared }),
    [Symbol.asyncDispose]: async () => opened.disposeAsync(),
  };
}
