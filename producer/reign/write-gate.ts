import { pauseQuietly } from '../../runtime/retry.ts';

/** The part of a ZooKeeper session that decides whether anything new may be started. */
export interface WriteGate {
  /** Connected, and acknowledged within the session timeout by the local monotonic clock. */
  mayWrite(): boolean;
}

/** How often a suspended loop looks whether it may go on; re-attaching takes longer than this. */
const LOOK_MS = 20;

/**
 * Waits while the session is suspended. Returns at once when it may write; also when `signal` is aborted, which the
 * caller looks at itself.
 */
export async function whenWritable(gate: WriteGate, signal: AbortSignal): Promise<void> {
  while (!gate.mayWrite() && !signal.aborted) await pauseQuietly(LOOK_MS, signal);
}
