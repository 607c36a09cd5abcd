/** How much to claim, and for which pools. Pure: every number comes in, every decision goes out. */

import { SMALLEST_SHARE, type Watermarks } from '../pools/watermarks.ts';

export interface PoolView extends Watermarks {
  readonly name: string;
  /** Answers, and owes no delivery of an earlier failure. */
  readonly isHealthy: boolean;
  readonly level: number;
  /** Claimed for this pool by this reign and not yet in it. */
  readonly queued: number;
  /** Went to or below its low watermark, and has not been full since. */
  readonly isFilling: boolean;
}

export interface RefillPlan {
  /** Pool names, in the order that placement counts them. */
  readonly targets: readonly string[];
  readonly count: number;
}

export interface RefillMeans {
  /** Shards held in the whole cluster: their holders share every deficit. */
  readonly heldShards: number;
  /** Most keys of a batch. */
  readonly batchSize: number;
  /** Unused keys that can be claimed without any hurry to generate more. */
  readonly spare: number;
}

/**
 * The next batch, or undefined when no pool needs one.
 *
 * Placement spreads a batch evenly over its targets, so it may hold, per target, what the fullest of them lacks: the
 * fullest drops out after it, and each round ends with one target less. While no target is at its low watermark there is no hurry:
 * then only what is spare is claimed, and the pools become full as fast as keys are made little by little.
 */
export function planRefill(
  pools: readonly PoolView[],
  { heldShards, batchSize, spare }: RefillMeans,
): RefillPlan | undefined {
  const needy = pools.filter((pool) => pool.isHealthy && pool.isFilling && shareOf(pool, heldShards) > 0);
  if (needy.length === 0) return undefined;
  const perTarget = Math.max(SMALLEST_SHARE, Math.min(...needy.map((pool) => shareOf(pool, heldShards))));
  const wanted = Math.min(batchSize, perTarget * needy.length);
  const isUrgent = needy.some(({ level, low }) => level <= low);
  const least = SMALLEST_SHARE * needy.length;
  // Neither a batch nor what it leaves to be claimed later may be too small.
  if (!isUrgent && spare < wanted && (spare < least || wanted - spare < least)) return undefined;
  return { targets: needy.map((pool) => pool.name), count: isUrgent ? wanted : Math.min(wanted, spare) };
}

function shareOf(pool: Pick<PoolView, 'level' | 'queued' | 'high'>, heldShards: number): number {
  return Math.ceil((pool.high - pool.level) / Math.max(1, heldShards)) - pool.queued;
}
