/**
 * Whether a change was heard, from what is known about its copies. Pure: announcer.ts is the loop around it.
 */

/** How long an announcer waits for a shard to take a copy, and for a ping that it sent to the shard. */
export const SHARD_ANSWER_MS = 250;

/** How long an announcer waits for the acknowledgements of a change. */
export const CHANGE_MS = 500;

/** The copy of a change on one shard. */
export interface CopyState {
  /**
   * `pending`: no answer to PUBLISH yet. `refused`: it was not executed, or has no answer in time. A number:
   * the shard took the copy for so many processes that acknowledge.
   */
  readonly taken: 'pending' | 'refused' | number;
  readonly acknowledged: number;
  /** Whether we hear the shard: it answers our pings. Otherwise no acknowledgement can arrive. */
  readonly isAnswering: boolean;
  /**
   * How many acknowledged the last copy on this shard that was not acknowledged by all. undefined: the last
   * copy was. A process that is paused would else delay every change until it goes on or is disconnected.
   */
  readonly usual: number | undefined;
}

/**
 * - `all`: every process that a copy was delivered to has acknowledged it.
 * - `some`: some have not, within the time.
 * - `none`: no shard took a copy.
 */
export type Heard = 'all' | 'some' | 'none';

/** @param isTimeUp whether {@link CHANGE_MS} have passed */
export function judgeChange(copies: readonly CopyState[], isTimeUp: boolean): Heard | 'waiting' {
  if (!isTimeUp && copies.some(isWaitedFor)) return 'waiting';
  const taken = copies.filter((copy) => isTaken(copy));
  if (taken.length === 0) return 'none';
  return taken.every((copy) => isAcknowledged(copy)) ? 'all' : 'some';
}

/** Whether all processes that the copy was delivered to have acknowledged it. */
export function isAcknowledged({ taken, acknowledged }: CopyState): boolean {
  return typeof taken === 'number' && acknowledged >= taken;
}

/** A copy that reached nobody proves nothing. */
export function isTaken({ taken }: CopyState): boolean {
  return typeof taken === 'number' && taken > 0;
}

function isWaitedFor(copy: CopyState): boolean {
  const { taken, acknowledged, isAnswering, usual } = copy;
  if (!isAnswering || taken === 'refused') return false;
  if (taken === 'pending') return true;
  return acknowledged < Math.min(taken, usual ?? taken);
}
