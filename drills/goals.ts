/** What this cluster was configured with, as far as a drill's bounds depend on it. */
export interface Limits {
  /** T: after this a silent holder's lock is free. */
  readonly sessionTimeoutMs: number;
  /** ZooKeeper looks for expired sessions this often. */
  readonly tickMs: number;
  /** Keys that a mapper holds ready, at most. */
  readonly reserve: number;
}

/** The limits of a cluster that `up` starts. */
export const USUAL_LIMITS: Limits = { sessionTimeoutMs: 2_000, tickMs: 500, reserve: 256 };

/** What a drill must show besides what every drill must: nothing lost, doubled, misled, claimed or delivered out of turn. */
export interface Goals {
  /** Shortens without an acceptable answer, at most (refused ones included). */
  readonly failedShortens?: number;
  readonly failedRedirects?: number;
  /** Of every part of the drill by itself, as are the next two. */
  readonly unownedP50Ms?: number;
  readonly unownedMaxMs?: number;
  /** From the fault to the next holder's lock. */
  readonly deadMaxMs?: number;
  /** The longest time without an acknowledgement. */
  readonly unavailableMs?: number;
  /** Share of shortens acknowledged during the fault, from `graceMs` (1,000) after its beginning. */
  readonly ackedShare?: number;
  /** So much less may be acknowledged in the last 15 s of a fault than in the first 15 s after the grace. */
  readonly decay?: number;
  readonly redirectShare?: number;
  readonly graceMs?: number;
  /** Shortens must be refused during the fault, with Retry-After, or it was none; 99 of 100 refusals in less than this. */
  readonly refusedP99Ms?: number;
  /** After healing every shorten is acknowledged again from this time on. */
  readonly backWithinMs?: number;
  /**
   * Redirects of slots that are down are refused in less than this, and never fail otherwise; those of other slots, and those that
   * the mapper has answered before, all succeed.
   */
  readonly redirectRefusedMs?: number;
  /** Keys that a killed mapper takes with it are no more than it held ready and had in flight. */
  readonly strandedBounded?: true;
}

/** Until a silent holder's locks are free: the timeout, one look of ZooKeeper, and some time to take them. */
function silentBound({ sessionTimeoutMs, tickMs }: Limits): number {
  return sessionTimeoutMs + tickMs + 500;
}

const NOTHING_FAILS: Goals = { failedShortens: 0, failedRedirects: 0 };
const MOVES_AT_ONCE: Goals = { ...NOTHING_FAILS, unownedP50Ms: 50, unownedMaxMs: 300 };
const ONE_POOL_AWAY: Goals = { failedRedirects: 0, ackedShare: 0.999 };

/** The goals of every drill, by name; a drill that is not here has none but those of every drill. */
export function goalsOf(drill: string, limits: Limits): Goals {
  const ends = silentBound(limits);
  const hostLost: Goals = { ...NOTHING_FAILS, unownedMaxMs: ends, deadMaxMs: ends };
  const goals: Readonly<Record<string, Goals>> = {
    'worker-kill': { ...NOTHING_FAILS, unownedP50Ms: 50, unownedMaxMs: 500 },
    'host-kill': hostLost,
    'supervisor-kill': { ...NOTHING_FAILS, unownedMaxMs: 500, deadMaxMs: 1_000 },
    zombie: hostLost,
    'loop-stall': { ...NOTHING_FAILS, unownedMaxMs: 0 },
    graceful: MOVES_AT_ONCE,
    rolling: MOVES_AT_ONCE,
    'mapper-kill': { failedRedirects: 0, unavailableMs: 1_000, ackedShare: 0.999, strandedBounded: true },
    'kill-between': { failedRedirects: 0 },
    'redis-down': ONE_POOL_AWAY,
    'redis-hung': ONE_POOL_AWAY,
    'redis-flushed': ONE_POOL_AWAY,
    'redis-rollback': ONE_POOL_AWAY,
    // The reserve answers for the first second or so; what is refused is measured from then on.
    'pools-empty': {
      failedRedirects: 0,
      redirectShare: 1,
      refusedP99Ms: 50,
      backWithinMs: 2_000,
      graceMs: 3_000,
    },
    'urls-down': { ackedShare: 0.99, decay: 0.01, redirectRefusedMs: 1_000 },
    'slot-map': NOTHING_FAILS,
    'keys-db-down': NOTHING_FAILS,
    'keys-db-restored': { failedRedirects: 0 },
    'zk-server': NOTHING_FAILS,
    'zk-quorum': NOTHING_FAILS,
    'zk-wiped': NOTHING_FAILS,
    'lock-deleted': { ...NOTHING_FAILS, unownedMaxMs: 500 },
    'zk-silent': hostLost,
    'create-unknown': { ...NOTHING_FAILS, unownedMaxMs: 500 },
    'insert-unknown': NOTHING_FAILS,
    wire: { ackedShare: 0.99 },
    'clock-step': NOTHING_FAILS,
    'disk-full': { ackedShare: 0.9 },
  };
  return goals[drill] ?? {};
}
