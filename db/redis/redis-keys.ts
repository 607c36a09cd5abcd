/** Every name this system uses inside Redis. `keys:available` is known to operators and outsiders: it never changes. */

/** The pool: list of ready keys, one per Redis shard. Taken from the head, delivered to the tail. */
export const POOL_KEY = 'keys:available';

/** Random id of this Redis's data: a new one means that the data before it is gone. */
export const INCARNATION_KEY = 'incarnation';

/** Hash {epoch, seq}: the reign over `keysDb` that delivers here, and its last part accepted. */
export function producerKey(keysDb: string): string {
  return `producer:${keysDb}`;
}

/** Pub/sub channel on which a changed link's key is announced to every mapper. */
export const INVALIDATION_CHANNEL = 'keymill:invalidate';

/** On cache shards: a cached link. */
export function cacheKey(key: string): string {
  return `cache:${key}`;
}

/** On cache shards: hash of versions by stripe of keys. */
export const CACHE_VERSIONS_KEY = 'cache-versions';
