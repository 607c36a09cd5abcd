import { pauseQuietly } from '../../runtime/retry.ts';

/** The part of a lock or a ZooKeeper session that decides whether a write may be started. */
export interface WriteGate {
  /**
   * Whether the session is connected and, by the local monotonic clock, was acknowledged within its timeout.
   */
  mayWrite(): boolean;
}

/**
 * How often a suspended loop checks whether it may go on. Attaching to a server again takes longer than this.
 */
const LOOK_MS = 20;

/**
 * Waits while the session is suspended. Returns immediately when it may write. Also returns when `signal` is
 * aborted: the caller checks that.
 */
export async function whenWritable(gate: WriteGate, signal: AbortSignal): Promise<void> {
  while (!gate.mayWrite() && !signal.aborted) await pauseQuietly(LOOK_MS, signal);
}
