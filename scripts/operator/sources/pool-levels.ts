import { openPool, type Pool } from '../../../db/redis/pool.ts';
import { monotonicMs } from '../../../runtime/clock.ts';
import type { RedisShardConfig } from '../../../runtime/config/stores.ts';
import { QUIET_LOG } from '../../../runtime/log.ts';
import { ASK_DEADLINE_MS, type Inquiry } from './ask.ts';
import type { Coordination } from './coordination.ts';

/** A pool in the output of `status`. Unknown values are null. */
export interface PoolEntry {
  readonly name: string;
  readonly level: number | null;
  readonly low: number | null;
  readonly high: number | null;
  /** It answered within {@link HEALTHY_MS}. */
  readonly healthy: boolean;
}

/** Mappers avoid a pool that answers more slowly. */
const HEALTHY_MS = 250;

/**
 * Level and health of every pool, with the largest watermarks that a producer publishes.
 * @param coordination may still be pending: the pools are asked in the meantime
 */
export async function readPools(
  inquiry: Inquiry,
  shards: readonly RedisShardConfig[],
  coordination: Promise<Coordination | undefined>,
): Promise<PoolEntry[]> {
  return Promise.all(
    shards.map(async (shard) => {
      const answer = await inquiry.ask(shard.name, () => withPool(shard, timeLevel));
      const producers = (await coordination)?.producers ?? [];
      return {
        name: shard.name,
        level: answer?.level ?? null,
        low: largest(producers.map(({ low }) => low[shard.name])),
        high: largest(producers.map(({ high }) => high[shard.name])),
        healthy: answer !== undefined && answer.elapsedMs <= HEALTHY_MS,
      };
    }),
  );
}

async function timeLevel(pool: Pool): Promise<{ level: number; elapsedMs: number }> {
  const startedMs = monotonicMs();
  const level = await pool.level({ timeoutMs: ASK_DEADLINE_MS });
  return { level, elapsedMs: monotonicMs() - startedMs };
}

/** Connects to a pool, runs `work` and disconnects. @throws StoreUnavailableError with the reason */
export async function withPool<T>(shard: RedisShardConfig, work: (pool: Pool) => Promise<T>): Promise<T> {
  await using pool = openPool({ ...shard, log: QUIET_LOG });
  // Without a connection, the work itself fails with the reason.
  await pool.whenConnected(ASK_DEADLINE_MS - 100);
  return await work(pool);
}

function largest(values: readonly (number | undefined)[]): number | null {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? null : Math.max(...known);
}
