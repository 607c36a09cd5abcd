import { openPool, type Pool } from '../../../db/redis/pool.ts';
import { monotonicMs } from '../../../runtime/clock.ts';
import type { RedisShardConfig } from '../../../runtime/config/stores.ts';
import { QUIET_LOG } from '../../../runtime/log.ts';
import { ASK_DEADLINE_MS, type Inquiry } from './ask.ts';
import type { Coordination } from './coordination.ts';

/** A pool as `status` shows it; null where nobody says. */
export interface PoolEntry {
  readonly name: string;
  readonly level: number | null;
  readonly low: number | null;
  readonly high: number | null;
  /** It answered within {@link HEALTHY_MS}. */
  readonly healthy: boolean;
}

/** A pool slower than this is one that mappers avoid. */
const HEALTHY_MS = 250;

/** Level and health of every pool, with the largest watermarks that any holder publishes. ZooKeeper may be asked meanwhile. */
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

/** Connects, works, disconnects. @throws StoreUnavailableError with the reason */
export async function withPool<T>(shard: RedisShardConfig, work: (pool: Pool) => Promise<T>): Promise<T> {
  await using pool = openPool({ ...shard, log: QUIET_LOG });
  // A pool that is not there refuses the work itself, and says why.
  await pool.whenConnected(ASK_DEADLINE_MS - 100);
  return await work(pool);
}

function largest(values: readonly (number | undefined)[]): number | null {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? null : Math.max(...known);
}
