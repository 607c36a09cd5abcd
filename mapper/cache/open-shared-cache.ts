import type { KeyspaceIdentity } from '../../runtime/config/keyspace-identity.ts';
import { openCacheDb } from '../../db/redis/cache.ts';
import { Breaker } from '../../runtime/breaker.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { CACHE_SHARD_BREAKER } from '../../runtime/config/breakers.ts';
import type { MapperConfig } from '../../runtime/config/config.ts';
import type { Log } from '../../runtime/log.ts';
import { logBreaker } from '../../runtime/log-breaker.ts';
import { SharedCache } from './shared-cache.ts';

export interface OpenSharedCacheOptions {
  readonly config: Pick<MapperConfig, 'cache'>;
  readonly keyspace: KeyspaceIdentity;
  readonly log: Log;
}

/** How long the start waits for shards that do not answer. */
const FIRST_ANSWER_MS = 500;

/**
 * Opens the cache shards of the configuration and waits briefly for their connections; `stack` closes them.
 * @returns undefined when none are configured, or the time to live of cached links is 0
 */
export async function openSharedCache(
  { config, keyspace, log }: OpenSharedCacheOptions,
  stack: AsyncDisposableStack,
): Promise<SharedCache | undefined> {
  const { shards = [], ttlMs } = config.cache;
  if (shards.length === 0 || ttlMs === 0) return undefined;
  const opened = shards.map(({ name, url }) => {
    const onChanged = logBreaker(log, 'cache shard: breaker changed', { cache: name });
    return {
      db: stack.use(openCacheDb({ name, url, keyspace, log })),
      breaker: new Breaker({ ...CACHE_SHARD_BREAKER, now: monotonicMs, onChanged }),
    };
  });
  await Promise.all(opened.map(async ({ db }) => db.whenConnected(FIRST_ANSWER_MS)));
  return new SharedCache(opened, ttlMs);
}
