import type { KeyspaceIdentity } from '../runtime/config/keyspace-identity.ts';
import type { Heard } from '../db/redis/hearing.ts';
import { subscribeInvalidations } from '../db/redis/invalidation.ts';
import type { Pool } from '../db/redis/pool.ts';
import { monotonicMs } from '../runtime/clock.ts';
import type { MapperConfig } from '../runtime/config/config.ts';
import type { Log } from '../runtime/log.ts';
import { createAnnounceChanges, type AnnounceChange, type AnnounceChanges } from './cache/announce-change.ts';
import { LINKS_APPEARED } from './cache/appeared-links.ts';
import { LinkCache } from './cache/link-cache.ts';
import { openSharedCache } from './cache/open-shared-cache.ts';
import type { SharedCache } from './cache/shared-cache.ts';

/** The caches of a mapper, and the function that announces a change to all mappers. */
export interface MapperCaches extends AsyncDisposable {
  readonly links: LinkCache;
  /** The Redis shards that cache links for all mappers; undefined when there are none. */
  readonly shared: SharedCache | undefined;
  readonly announceChange: AnnounceChange;
  readonly announceChanges: AnnounceChanges;
  /** Whether all announcements of other mappers were heard a moment ago. */
  readonly isHearing: () => boolean;
  /** Whether announcements arrive that others publish on this Redis shard. */
  hears(pool: string): boolean;
}

/** How long the start waits for the announcements of a Redis that does not answer. */
const FIRST_SUBSCRIPTION_MS = 500;

export interface OpenCachesOptions {
  readonly config: Pick<MapperConfig, 'cache' | 'urlsReplicas'> & {
    readonly stores: Pick<MapperConfig['stores'], 'redis'>;
  };
  readonly keyspace: KeyspaceIdentity;
  /** Their connections carry announcements and acknowledgements, whether keys are taken from them or not. */
  readonly pools: readonly { readonly pool: Pool }[];
  /** Whether a key may become a link without an announcement. */
  readonly mayAppear: (key: string) => boolean;
  /** Takes the announcements that are not about links. */
  readonly accounts: {
    /** @returns false when the announcement is about a link */
    hear(message: string): boolean;
    /** Announcements may have been missed. */
    forgetAll(): void;
  };
  /** Changes were announced together. @param seconds until they may be answered */
  readonly onAnnounced: (heard: Heard, seconds: number, changes: number) => void;
  readonly log: Log;
}

/** Opens the caches and subscribes to the changes that other mappers announce. */
export async function openCaches({
  config,
  keyspace,
  pools,
  mayAppear,
  accounts,
  onAnnounced,
  log,
}: OpenCachesOptions): Promise<MapperCaches> {
  await using stack = new AsyncDisposableStack();
  const { ttlMs } = config.cache;
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
      shards: config.stores.redis.flatMap(({ name, url }) =>
        pools.flatMap(({ pool }) => (pool.name === name ? [{ name, url, pool }] : [])),
      ),
      log,
      onInvalidated: (message) => {
        if (accounts.hear(message)) return;
        if (message === LINKS_APPEARED) links.forgetUnknown();
        else links.invalidate(message);
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
  const [shared] = await Promise.all([
    openSharedCache({ config, keyspace, log }, stack),
    invalidations.whenSubscribed(FIRST_SUBSCRIPTION_MS),
  ]);
  const reportState = reportOnce(log);
  const announceChanges = createAnnounceChanges({
    links,
    shared,
    invalidations,
    // A replica is read until it is as late as a cached link may be.
    maxLagMs: readsMayLag ? 2 * ttlMs : ttlMs,
    now: monotonicMs,
    onAnnounced: (heard, ...about) => {
      onAnnounced(heard, ...about);
      reportState(heard);
    },
  });
  const opened = stack.move();
  return {
    links,
    shared,
    announceChange: async (key) => announceChanges([key]),
    announceChanges,
    hears: (pool) => invalidations.hears(pool),
    isHearing,
    [Symbol.asyncDispose]: async () => opened.disposeAsync(),
  };
}

/** @returns a function that logs whether changes are heard, once for each change of that */
function reportOnce(log: Log): (heard: Heard) => void {
  let before: Heard = 'all';
  return (heard) => {
    if (heard === before) return;
    before = heard;
    if (heard === 'all') log.info('changes of links are heard by every mapper again');
    else
      log.warn(
        { heardBy: heard },
        heard === 'none'
          ? 'no redis took the announcement of a changed link: mappers may show old links until their time to live is over'
          : 'a mapper does not acknowledge changed links: it may show old ones until their time to live is over',
      );
  };
}
