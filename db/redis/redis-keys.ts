/**
 * Every name that this system uses in Redis. Operators and outsiders rely on `keys:available`: it never
 * changes.
 */

/** The pool: list of ready keys, one per Redis shard. Takes are at the head, deliveries at the tail. */
export const POOL_KEY = 'keys:available';

/** Random id of the data of a Redis. A new id means that the earlier data is lost. */
export const INCARNATION_KEY = 'incarnation';

/**
 * The keyspace whose keys the pool holds, as text (`formatIdentity`). Producers write it when they raise an
 * epoch or deliver; mappers only compare. Without it, as after a loss of data, the pool is used.
 */
export const KEYSPACE_KEY = 'keyspace';

/**
 * On the first pool's server: the last id that was given out by counter, a number. It is only a proposal,
 * because a Redis may lose its last writes: the mark in the users database decides.
 */
export const COUNTER_KEY = 'keymill:counter';

/**
 * On the first pool's server, in a cluster without ZooKeeper: the JSON of a mapper that runs. It expires
 * unless the mapper renews it.
 */
export function mapperKey(id: string): string {
  return `${MAPPER_PREFIX}${id}`;
}

/** What {@link mapperKey} begins with. */
export const MAPPER_PREFIX = 'keymill:mapper:';

/**
 * Beside these entries: sorted set of the ids of all mappers that run, by when their entry expires. To find
 * the entries themselves, Redis walks over all of its keys.
 */
export const MAPPERS_KEY = 'keymill:mappers';

/**
 * Hash {epoch, seq, claimed_to}: the reign over `keysDb` that delivers here, the last part that was accepted,
 * and the highest id that was claimed for any part delivered here.
 */
export function producerKey(keysDb: string): string {
  return `producer:${keysDb}`;
}

/** Pub/sub channel on which the key of a changed link is published to every mapper. */
export const INVALIDATION_CHANNEL = 'keymill:invalidate';

/**
 * Pub/sub channel of the processes that acknowledge: "who has heard everything up to here?". Processes of
 * release 0.1.0 are not subscribed to it, so nobody waits for them. See hearing-messages.ts.
 */
export const QUESTION_CHANNEL = 'keymill:hear';

/** Pub/sub channel on which one process receives the answers to its questions. */
export function acknowledgementChannel(process: string): string {
  return `keymill:heard:${process}`;
}

/**
 * On cache shards: a cached link.
 * @param scope the first characters of the keyspace's fingerprint: two clusters may have the same alias
 */
export function cacheKey(scope: string, key: string): string {
  return `cache:${scope}:${key}`;
}

/** On cache shards: hash of versions, by stripe of keys. */
export const CACHE_VERSIONS_KEY = 'cache-versions';

/**
 * On the server of `KEYMILL_LIMITS_REDIS`: how often a client has done something in this minute.
 * @param scope as of {@link cacheKey}
 * @param client no address, but an HMAC of one
 */
export function clientCountKey(scope: string, limit: string, client: string): string {
  return `limit:${scope}:${limit}:${client}`;
}

/** On a pool's server: sorted set of the links whose clicks somebody watches, by when that ends. */
export const WATCHED_LINKS_KEY = 'live:watched';

/** What the name of the watched links of one owner begins with: a set like {@link WATCHED_LINKS_KEY}. */
export const WATCHED_OF_OWNER_PREFIX = 'live:watched:';

/** On a pool's server: stream of the clicks of one watched link. It expires when nobody watches any more. */
export function liveClicksKey(key: string): string {
  return `${LIVE_CLICKS_PREFIX}${key}`;
}

/** What {@link liveClicksKey} begins with. */
export const LIVE_CLICKS_PREFIX = 'live:clicks:';
