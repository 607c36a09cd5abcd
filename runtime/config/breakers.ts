import type { BreakerOptions } from '../breaker.ts';

/**
 * When the circuit breaker of a mapper for each kind of store opens, and how soon it is tried again.
 *
 * Two failures in a row open each of them: a single lost statement is no outage, and each further one costs a
 * request its timeout. The next trial comes after at most two seconds, so a store that is back is used again
 * soon.
 */
type BreakerFigures = Pick<BreakerOptions, 'failures' | 'coolDownMs' | 'maxCoolDownMs'>;

/** A poll makes the trials, four times a second: a shorter cool-down would change nothing. */
const POLLED: BreakerFigures = { failures: 2, coolDownMs: 250, maxCoolDownMs: 2_000 };

export const POOL_BREAKER = POLLED;
export const COUNTER_BREAKER = POLLED;
export const URLS_SERVER_BREAKER = POLLED;
export const REPLICA_BREAKER = POLLED;

/**
 * Requests make the trials. The cool-down is short: a failed trial costs one redirect 20 ms, and without the
 * cache every redirect costs a read of the database.
 */
export const CACHE_SHARD_BREAKER: BreakerFigures = { failures: 2, coolDownMs: 100, maxCoolDownMs: 2_000 };
export const USERS_DB_BREAKER = POLLED;

/** Requests make the trials. A blob that breaks off twice is no outage yet. */
export const BLOB_STORE_BREAKER: BreakerFigures = { failures: 3, coolDownMs: 250, maxCoolDownMs: 2_000 };
