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
  /** Whether all announcements of other mappers were heard a moment ago. */
  readonly isHearing: () => boolean;
}

export interface OpenCachesOptions {
  readonly config: MapperConfig;
  readonly keyspace: KeyspaceIdentity;
  readonly pools: readonly AnnouncingPool[];
  /** Whether a key may become a link without an announcement. */
  readonly mayAppear: (key: string) => boolean;
  /** Takes the announcements that are not about links. */
  readonly accounts: {
    /** @returns false when the announcement is about a link */
    hear(message: string): boolean;
    /** Announcements may have been missed. */
    forgetAll(): void;
  };
  readonly log: Log;
}

/** Opens the caches and subscribes to the changes that other mappers announce. */
export async function openCaches({
  config,
  keyspace,
  pools,
  mayAppear,
  accounts,
  log,
}: OpenCachesOptions): Promise<MapperCaches> {
  await using stack = new AsyncDisposableStack();
  const readsMayLag = (config.urlsReplicas ?? []).length > 0;
  const isHearing = (): boolean => invalidations.isHearing;
  const links: LinkCache = new LinkCache({
    ...config.cache,
    readsMayLag,
    mayAppear,
    isHearing,
    now: monotonicMs,
  });
  const invalidations = stack.use(
    subscribeInvalidations({
      servers: config.stores.redis,
      log,
      onInvalidated: (message) => {
        if (!accounts.hear(message)) links.invalidate(message);
      },
      // Announcements may have been missed while the subscription was down.
      onSubscribed: () => {
        links.flush();
        accounts.forgetAll();
      },
      onHeardAgain: () => {
        links.forgetUnknown();
        accounts.forgetAll();
      },
    }),
  );
  const shared = await openSharedCache({ config, keyspace, log }, stack);
  const opened = stack.move();
  return {
    links,
    shared,
    announceChange: createAnnounceChange({ pools, shared }),
    isHearing,
    [Symbol.asyncDispose]: async () => opened.disposeAsync(),
  };
}
