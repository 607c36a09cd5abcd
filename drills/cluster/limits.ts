import { DEFAULTS } from '../../runtime/config/config.ts';
import { LOCAL_QUARANTINE_MS, LOCAL_SESSION_TIMEOUT_MS } from '../../scripts/cluster/environment.ts';
import { TICK_MS } from '../../scripts/servers/zookeeper.ts';

/** How a cluster is configured, as far as the goals of drills depend on it. */
export interface Limits {
  /** The lock of a holder that is silent for this long is free. */
  readonly sessionTimeoutMs: number;
  /** ZooKeeper looks for expired sessions this often. */
  readonly tickMs: number;
  /** The most keys that one process of a mapper holds ready. */
  readonly reserve: number;
  /** A key that is missing for longer is recycled. */
  readonly quarantineMs: number;
}

/** The limits of a cluster that `up` starts with its defaults. */
export const USUAL_LIMITS: Limits = {
  sessionTimeoutMs: LOCAL_SESSION_TIMEOUT_MS,
  tickMs: TICK_MS,
  reserve: DEFAULTS.reserve,
  quarantineMs: LOCAL_QUARANTINE_MS,
};

/** The limits of a cluster that `up` starts with these variables. */
export function readLimits(env: NodeJS.ProcessEnv): Limits {
  return {
    sessionTimeoutMs: Number(env['KEYMILL_SESSION_TIMEOUT_MS'] ?? USUAL_LIMITS.sessionTimeoutMs),
    tickMs: USUAL_LIMITS.tickMs,
    reserve: Number(env['KEYMILL_RESERVE'] ?? USUAL_LIMITS.reserve),
    quarantineMs: Number(env['KEYMILL_QUARANTINE_MS'] ?? USUAL_LIMITS.quarantineMs),
  };
}
