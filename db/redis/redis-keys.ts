/**
 * Every name that this system uses in Redis. Operators and outsiders rely on `keys:available`: it never
 * changes.
 */

/** The pool: list of ready keys, one per Redis shard. Takes are at the head, deliveries at the tail. */
export const POOL_KEY = 'keys:available';

/** Random id of the data of a Redis. A new id means that the earlier data is lost. */
export const INCARNATION_KEY = 'incarnation';

/**
 * Hash {epoch, seq, claimed_to}: the reign over `keysDb` that delivers here, the last part that was accepted,
 * and the highest id that was claimed for any part delivered here.
 */
export function producerKey(keysDb: string): string {
  return `producer:${keysDb}`;
}

/** Pub/sub channel on which the key of a changed link is published to every mapper. */
export const INVALIDATION_CHANNEL = 'keymill:invalidate';

/** On cache shards: a cached link. */
export function cacheKey(key: string): string {
  return `cache:${key}`;
}

/** On cache shards: hash of versions, by stripe of keys. */
export const CACHE_VERSIONS_KEY = 'cache-versions';
