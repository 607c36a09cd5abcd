import type { Limits } from '../cluster/limits.ts';

/**
 * Goals of one drill. Every drill has these besides: no link is lost, no key is bound twice, no redirect
 * leads elsewhere, and no claim or delivery is accepted out of order.
 */
export interface Goals {
  /** The most shortens without an acceptable answer, refused ones included. */
  readonly failedShortens?: number;
  readonly failedRedirects?: number;
  /** This goal and the next two hold for every part of the drill. */
  readonly unownedP50Ms?: number;
  readonly unownedMaxMs?: number;
  /** The longest time from a fault to the next holder's lock. */
  readonly deadMaxMs?: number;
  /** The longest time without an acknowledgement. */
  readonly unavailableMs?: number;
  /** The lowest share of shortens acknowledged in a fault, from `graceMs` (default 1,000) on. */
  readonly ackedShare?: number;
  /** The largest loss of this share from the first 15 s after the grace to the last 15 s of a fault. */
  readonly decay?: number;
  readonly redirectShare?: number;
  readonly graceMs?: number;
  /** The highest 99th percentile of the times of refusals. Without refusals there was no fault. */
  readonly refusedP99Ms?: number;
  /** The longest time after which a shorten is refused. */
  readonly refusedMaxMs?: number;
  /** Every shorten is acknowledged from this time after healing on. */
  readonly backWithinMs?: number;
  /**
   * Redirects of slots that are down are refused in less than this, and do not fail in another way. Redirects
   * of other slots, and of keys that the mapper has answered before, all succeed.
   */
  readonly redirectRefusedMs?: number;
  /**
   * How many times longer the 99th percentile of redirects may be during the fault than without one. Below
   * {@link QUICK_MS} it is always good.
   */
  readonly redirectsSlowedBy?: number;
  /** The longest time after which a request for an image is refused. Some must be, or there was no fault. */
  readonly imageRefusedMaxMs?: number;
  /** The longest time from the end of a fault to the last refusal of such a request. */
  readonly imagesBackWithinMs?: number;
  /** A killed mapper takes no more keys with it than it held ready and had in flight. */
  readonly strandedBounded?: true;
}

/** The longest time until a silent holder's locks are taken: timeout, one tick, and 500 ms to take them. */
function takeoverAfterSilence({ sessionTimeoutMs, tickMs }: Limits): number {
  return sessionTimeoutMs + tickMs + 500;
}

/** Redirects that take less are not slow, whatever they take without a fault. */
export const QUICK_MS = 50;

const NOTHING_FAILS: Goals = { failedShortens: 0, failedRedirects: 0 };
const HANDS_OVER: Goals = { ...NOTHING_FAILS, unownedP50Ms: 50, unownedMaxMs: 300 };
const ONE_POOL_AWAY: Goals = { failedRedirects: 0, ackedShare: 0.999 };

/** The goals of a drill. A drill that is not in this table has only the goals of every drill. */
export function goalsOf(drill: string, limits: Limits): Goals {
  const ends = takeoverAfterSilence(limits);
  const hostLost: Goals = { ...NOTHING_FAILS, unownedMaxMs: ends, deadMaxMs: ends };
  const goals: Readonly<Record<string, Goals>> = {
    'worker-kill': { ...NOTHING_FAILS, unownedP50Ms: 50, unownedMaxMs: 500 },
    'host-kill': hostLost,
    'supervisor-kill': { ...NOTHING_FAILS, unownedMaxMs: 500, deadMaxMs: 1_000 },
    zombie: hostLost,
    'loop-stall': { ...NOTHING_FAILS, unownedMaxMs: 0 },
    graceful: HANDS_OVER,
    rolling: HANDS_OVER,
    'mapper-kill': { failedRedirects: 0, unavailableMs: 1_000, ackedShare: 0.999, strandedBounded: true },
    'links-changed': { failedRedirects: 0, ackedShare: 0.999 },
    'visits-exact': { failedRedirects: 0, ackedShare: 0.999 },
    'blobs-down': {
      ...NOTHING_FAILS,
      redirectsSlowedBy: 2,
      imageRefusedMaxMs: 12_000,
      imagesBackWithinMs: 10_000,
    },
    'blobs-slow': { ...NOTHING_FAILS, redirectsSlowedBy: 2 },
    'image-kill': { failedRedirects: 0, ackedShare: 0.99 },
    'kill-between': { failedRedirects: 0 },
    'redis-down': ONE_POOL_AWAY,
    'redis-hung': ONE_POOL_AWAY,
    'redis-flushed': ONE_POOL_AWAY,
    'redis-rollback': ONE_POOL_AWAY,
    // The reserve serves the first second or so. Refusals are measured after that.
    'pools-empty': {
      failedRedirects: 0,
      redirectShare: 1,
      refusedP99Ms: 50,
      backWithinMs: 2_000,
      graceMs: 3_000,
    },
    'urls-down': { ackedShare: 0.99, decay: 0.01, redirectRefusedMs: 1_000 },
    // From its first moment on: an INSERT that hangs delays its links, and they get keys of another server.
    'urls-writes-hang': { failedRedirects: 0, ackedShare: 0.99, refusedMaxMs: 1_500, graceMs: 0 },
    'urls-read-only': { failedRedirects: 0, ackedShare: 0.99, refusedMaxMs: 1_500, graceMs: 0 },
    'urls-metadata-lock': { ackedShare: 0.99, refusedMaxMs: 1_500, graceMs: 0, redirectRefusedMs: 1_000 },
    'urls-connections-used-up': {
      ackedShare: 0.99,
      refusedMaxMs: 1_500,
      graceMs: 0,
      redirectRefusedMs: 1_000,
    },
    'slot-map': NOTHING_FAILS,
    'keys-db-down': NOTHING_FAILS,
    'keys-db-restored': { failedRedirects: 0 },
    'urls-restored': { ackedShare: 0.95, unownedMaxMs: 0 },
    'urls-failover': { ackedShare: 0.95, unownedMaxMs: 0 },
    'zk-server': NOTHING_FAILS,
    'zk-quorum': NOTHING_FAILS,
    'zk-wiped': NOTHING_FAILS,
    'zk-rolled-back': NOTHING_FAILS,
    'lock-deleted': { ...NOTHING_FAILS, unownedMaxMs: 500 },
    'zk-silent': hostLost,
    'create-unknown': { ...NOTHING_FAILS, unownedMaxMs: 500 },
    'insert-unknown': NOTHING_FAILS,
    wire: { ackedShare: 0.99 },
    'clock-step': NOTHING_FAILS,
    'disk-full': { ackedShare: 0.9 },
    grow: NOTHING_FAILS,
  };
  return goals[drill] ?? {};
}
