/** How a cluster is configured, as far as the goals of drills depend on it. */
export interface Limits {
  /** The lock of a holder that is silent for this long is free. */
  readonly sessionTimeoutMs: number;
  /** ZooKeeper looks for expired sessions this often. */
  readonly tickMs: number;
  /** The most keys that one process of a mapper holds ready. */
  readonly reserve: number;
}

/** The limits of a cluster that `up` started with these variables; the defaults are those of `up`. */
export function readLimits(env: NodeJS.ProcessEnv): Limits {
  return {
    sessionTimeoutMs: Number(env['KEYMILL_SESSION_TIMEOUT_MS'] ?? 2_000),
    tickMs: 500,
    reserve: Number(env['KEYMILL_RESERVE'] ?? 256),
  };
}
