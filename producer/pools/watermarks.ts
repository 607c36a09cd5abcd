/** Between which levels a pool is kept. Pure. */

export interface WatermarkLimits {
  /** Start refilling at this level at the latest, however slowly the pool drains. */
  readonly lowFloor: number;
  /** Never hold less than this when full. */
  readonly highFloor: number;
  /** Never hold more than this: what a pool holds, a lost Redis strands until the audit recycles it. */
  readonly highCeiling: number;
  /** Hold enough for this many minutes at the measured drain rate. */
  readonly minutesHeld: number;
}

export interface Watermarks {
  readonly low: number;
  readonly high: number;
}

/** Watermarks that follow the drain rate (keys per second), between floors and a ceiling. */
export function watermarks(drainPerSecond: number, limits: WatermarkLimits): Watermarks {
  const wanted = Math.ceil(drainPerSecond * 60 * limits.minutesHeld);
  const floor = Math.min(limits.highFloor, limits.highCeiling);
  const high = Math.max(1, Math.min(limits.highCeiling, Math.max(floor, wanted)));
  const low = Math.min(Math.max(limits.lowFloor, Math.floor(0.4 * high)), high - 1);
  return { low, high };
}

/** A share below this is not worth a batch: four holders would creep towards the high watermark in ever smaller steps. */
export const SMALLEST_SHARE = 50;

/**
 * Whether a pool is being filled: from its low watermark up to its high one, and not in between on the way down.
 * What is queued does not count: a full queue of ours must not end the filling that other holders are still part of.
 */
export function mustFill(
  pool: Watermarks & { readonly level: number },
  wasFilling: boolean,
  heldShards: number,
): boolean {
  if (pool.level <= pool.low) return true;
  return wasFilling && pool.high - pool.level >= SMALLEST_SHARE * Math.max(1, heldShards);
}
