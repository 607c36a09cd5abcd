/** How many keys to claim, and for which pools. Pure. */

import { SMALLEST_SHARE, type Watermarks } from '../pools/watermarks.ts';

export interface PoolView extends Watermarks {
  readonly name: string;
  /** Whether the pool answers and its queue is healthy. */
  readonly isHealthy: boolean;
  readonly level: number;
  /** Keys that this reign has claimed for the pool and not yet delivered. */
  readonly queued: number;
  /** Whether the pool has been at or below its low watermark, and has not been full since. */
  readonly isFilling: boolean;
}

export interface RefillPlan {
  /** Pool names, in the order in which placement counts them. */
  readonly targets: readonly string[];
  readonly count: number;
}

export interface RefillMeans {
  /** Shards held in the whole cluster: their holders share every deficit. */
  readonly heldShards: number;
  /** The most keys of a batch. */
  readonly batchSize: number;
  /** Unused keys above the stock's low mark: claiming them makes no generation urgent. */
  readonly spare: number;
}

/**
 * The next batch, or undefined when no pool needs one.
 *
 * Placement spreads a batch evenly over its targets, so the batch has as many keys per target as the fullest
 * target lacks. That target is full afterwards, and each round has one target less. While no target is at its
 * low watermark, the claim is not urgent: only spare keys are claimed, and the pools fill as fast as keys are
 * generated in small steps.
 */
export function planRefill(
  pools: readonly PoolView[],
  { heldShards, batchSize, spare }: RefillMeans,
): RefillPlan | undefined {
  const needy = pools.filter((pool) => pool.isHealthy && pool.isFilling && shareOf(pool, heldShards) > 0);
  if (needy.length === 0) return undefined;
  const perTarget = Math.max(SMALLEST_SHARE, Math.min(...needy.map((pool) => shareOf(pool, heldShards))));
  const needed = Math.min(batchSize, perTarget * needy.length);
  const isUrgent = needy.some(({ level, low }) => level <= low);
  const smallest = SMALLEST_SHARE * needy.length;
  // Neither this batch nor the one that claims the rest later may be too small.
  if (!isUrgent && spare < needed && (spare < smallest || needed - spare < smallest)) return undefined;
  return { targets: needy.map((pool) => pool.name), count: isUrgent ? needed : Math.min(needed, spare) };
}

function shareOf(pool: Pick<PoolView, 'level' | 'queued' | 'high'>, heldShards: number): number {
  return Math.ceil((pool.high - pool.level) / Math.max(1, heldShards)) - pool.queued;
}
