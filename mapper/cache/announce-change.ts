import { publishInvalidation } from '../../db/redis/invalidation.ts';
import type { Pool } from '../../db/redis/pool.ts';
import { withDeadline } from '../../runtime/retry.ts';
import type { SharedCache } from './shared-cache.ts';

/** Announces that the link of `key` has changed. Takes 500 ms at most; never rejects. */
export type AnnounceChange = (key: string) => Promise<void>;

export interface AnnounceChangeOptions {
  readonly pools: readonly { readonly pool: Pool; readonly isHealthy: boolean }[];
  readonly shared: SharedCache | undefined;
}

const PUBLISH_TIMEOUT_MS = 500;

/**
 * How a change reaches the caches of all mappers: the shared cache forgets the key, and every healthy pool's
 * shard publishes it.
 *
 * Each mapper listens to all shards, so one that publishes is enough. Both steps run at the same time,
 * because a cache shard may hang: a mapper that receives the key makes the shard forget it too, before it
 * reads the key from that shard again.
 */
export function createAnnounceChange({ pools, shared }: AnnounceChangeOptions): AnnounceChange {
  const publish = async (key: string): Promise<void> => {
    const healthy = pools.filter(({ isHealthy }) => isHealthy).map(({ pool }) => pool);
    await withDeadline('announcing', PUBLISH_TIMEOUT_MS, async () => publishInvalidation(healthy, key)).catch(
      () => undefined,
    );
  };
  return async (key) => {
    await Promise.all([shared?.forget(key), publish(key)]);
  };
}
