import type { Coordination } from '../../../coordinator/overview/coordination.ts';
import type { LockHolder } from '../../../coordinator/lock-holder.ts';
import { HEALTHY_MS, lookAtPool, problemOfEpochs } from '../../../db/overview/pool-look.ts';
import { openPool, type Pool } from '../../../db/redis/pool.ts';
import type { KeyspaceIdentity } from '../../../runtime/config/keyspace-identity.ts';
import type { KeysDbConfig, RedisShardConfig } from '../../../runtime/config/stores.ts';
import { QUIET_LOG } from '../../../runtime/log.ts';
import { ASK_DEADLINE_MS, type Inquiry } from './ask.ts';

/** A pool in the output of `status`. Unknown values are null. */
export interface PoolEntry {
  readonly name: string;
  readonly level: number | null;
  readonly low: number | null;
  readonly high: number | null;
  /** It answered within {@link HEALTHY_MS}, and has no problem. */
  readonly healthy: boolean;
  /** Why producers or mappers do not use it although it answers. */
  readonly problem: string | null;
}

export interface PoolsAsked {
  readonly redis: readonly RedisShardConfig[];
  readonly keysDbs: readonly Pick<KeysDbConfig, 'name'>[];
  /** Created before the call, because its creation takes longer than the deadline of a question. */
  readonly keyspace: KeyspaceIdentity;
}

/**
 * Level and health of every pool, with the largest watermarks that a producer publishes.
 * @param coordination may still be pending: the pools are asked in the meantime
 */
export async function readPools(
  inquiry: Inquiry,
  { redis, keysDbs, keyspace }: PoolsAsked,
  coordination: Promise<Coordination | undefined>,
): Promise<PoolEntry[]> {
  const names = keysDbs.map(({ name }) => name);
  return Promise.all(
    redis.map(async (shard) => {
      const answer = await inquiry.ask(shard.name, () =>
        withPool({ ...shard, keyspace }, async (pool) =>
          lookAtPool(pool, { keysDbs: names, keyspace, timeoutMs: ASK_DEADLINE_MS }),
        ),
      );
      const { producers = [], locks = new Map<string, LockHolder>() } = (await coordination) ?? {};
      const doubt = problemOfEpochs(shard.name, answer?.epochs ?? [], (keysDb) => locks.get(keysDb)?.epoch);
      const problem = answer?.problem ?? doubt ?? null;
      return {
        name: shard.name,
        level: answer?.level ?? null,
        low: largest(producers.map(({ low }) => low[shard.name])),
        high: largest(producers.map(({ high }) => high[shard.name])),
        healthy: answer !== undefined && answer.elapsedMs <= HEALTHY_MS && problem === null,
        problem,
      };
    }),
  );
}

/** Connects to a pool, runs `work` and disconnects. @throws StoreUnavailableError with the reason */
export async function withPool<T>(
  shard: RedisShardConfig & { readonly keyspace?: KeyspaceIdentity },
  work: (pool: Pool) => Promise<T>,
): Promise<T> {
  await using pool = openPool({ ...shard, log: QUIET_LOG });
  // Without a connection, the work itself fails with the reason.
  await pool.whenConnected(ASK_DEADLINE_MS - 100);
  return await work(pool);
}

function largest(values: readonly (number | undefined)[]): number | null {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? null : Math.max(...known);
}
