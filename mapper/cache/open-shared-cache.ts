import { openCacheDb } from '../../db/redis/cache.ts';
import { Breaker } from '../../runtime/breaker.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { CACHE_SHARD_BREAKER } from '../../runtime/config/breakers.ts';
import type { MapperConfig } from '../../runtime/config/config.ts';
import type { Log } from '../../runtime/log.ts';
import { SharedCache } from './shared-cache.ts';

/** How long the start waits for shards that do not answer. */
const FIRST_ANSWER_MS = 500;

/**
 * Opens the cache shards of the configuration and waits briefly for their connections; `stack` closes them.
 * @returns undefined when none are configured, or the time to live of cached links is 0
 */
export async function openSharedCache(
  { cache: { shards = [], ttlMs } }: Pick<MapperConfig, 'cache'>,
  log: Log,
  stack: AsyncDisposableStack,
): Promise<SharedCache | undefined> {
  if (shards.length === 0 || ttlMs === 0) return undefined;
  const opened = shards.map(({ name, url }) => {
    const onChanged = (state: string): void => {
      if (state !== 'half-open') log.warn({ cache: name, state }, 'cache shard: breaker changed');
    };
    return {
      db: stack.use(openCacheDb({ name, url, log })),
      breaker: new Breaker({ ...CACHE_SHARD_BREAKER, now: monotonicMs, onChanged }),
    };
  });
  await Promise.all(opened.map(async ({ db }) => db.whenConnected(FIRST_ANSWER_MS)));
  return new SharedCache(opened, ttlMs);
}
