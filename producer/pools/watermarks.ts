import type { PoolLimits } from '../../runtime/config/config.ts';

/** The levels between which a pool is kept. Pure. */

export interface Watermarks {
  readonly low: number;
  readonly high: number;
}

/** Watermarks that follow the drain rate (keys per second), between floors and a ceiling. */
export function watermarks(drainPerSecond: number, limits: PoolLimits): Watermarks {
  const needed = Math.ceil(drainPerSecond * 60 * limits.minutesHeld);
  const floor = Math.min(limits.highFloor, limits.highCeiling);
  const high = Math.max(1, Math.min(limits.highCeiling, Math.max(floor, needed)));
  const low = Math.min(Math.max(limits.lowFloor, Math.floor(0.4 * high)), high - 1);
  return { low, high };
}

/**
 * Keys. A smaller share is not worth a batch: four holders would approach the high watermark in smaller and
 * smaller steps.
 */
export const SMALLEST_SHARE = 50;

/**
 * Whether to fill a pool: from its low watermark until it has reached the high one, but not between them on
 * the way down. Queued keys do not count: a full queue of this holder must not end the filling to which other
 * holders contribute.
 */
export function mustFill(
  pool: Watermarks & { readonly level: number },
  wasFilling: boolean,
  heldShards: number,
): boolean {
  if (pool.level <= pool.low) return true;
  return wasFilling && pool.high - pool.level >= SMALLEST_SHARE * Math.max(1, heldShards);
}
