import { publishInvalidation } from '../../db/redis/invalidation.ts';
import type { Pool } from '../../db/redis/pool.ts';
import { withDeadline } from '../../runtime/retry.ts';
import type { SharedCache } from './shared-cache.ts';

/** Notifies all mappers that their copies of `key` are outdated. Bounded; never rejects. */
export type AnnounceChange = (key: string) => Promise<void>;

/** A pool whose Redis shard carries announcements. */
export interface AnnouncingPool {
  readonly pool: Pool;
  readonly isHealthy: boolean;
}

const TIMEOUT_MS = 500;

/**
 * Every mapper subscribes to the shards of all pools, so one announcement that arrives is enough.
 *
 * The shared cache forgets the key at the same time and not before, because one of its shards may hang. Each
 * mapper that receives the announcement also removes the key from the shared cache before its next read.
 */
export function createAnnounceChange(options: {
  readonly pools: readonly AnnouncingPool[];
  readonly shared: SharedCache | undefined;
}): AnnounceChange {
  const { pools, shared } = options;
  return async (key) => {
    const healthy = pools.filter(({ isHealthy }) => isHealthy).map(({ pool }) => pool);
    const published = withDeadline('announcing', TIMEOUT_MS, async () => publishInvalidation(healthy, key));
    await Promise.all([shared?.forget(key), published.catch(() => undefined)]);
  };
}
