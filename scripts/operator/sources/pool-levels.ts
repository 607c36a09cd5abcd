import type { KeyspaceIdentity } from '../../../runtime/config/keyspace-identity.ts';
import { openPool, type Pool } from '../../../db/redis/pool.ts';
import { producerKey } from '../../../db/redis/redis-keys.ts';
import { isContradiction } from '../../../db/store-errors.ts';
import { requirePlausible } from '../../../runtime/stored-values.ts';
import { isPoolKey } from '../../../mapper/keys/pool-key.ts';
import { monotonicMs } from '../../../runtime/clock.ts';
import type { KeysDbConfig, RedisShardConfig } from '../../../runtime/config/stores.ts';
import { messageOf } from '../../../runtime/errors.ts';
import { QUIET_LOG } from '../../../runtime/log.ts';
import { ASK_DEADLINE_MS, type Inquiry } from './ask.ts';
import type { Coordination } from './coordination.ts';

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

/** Mappers avoid a pool that answers more slowly. */
const HEALTHY_MS = 250;
/** How many texts at the head of a pool are looked at. */
const HEAD_TEXTS = 16;

/**
 * Level and health of every pool, with the largest watermarks that a producer publishes.
 * @param coordination may still be pending: the pools are asked in the meantime
 */
export async function readPools(
  inquiry: Inquiry,
  { redis, keysDbs, keyspace }: PoolsAsked,
  coordination: Promise<Coordination | undefined>,
): Promise<PoolEntry[]> {
  return Promise.all(
    redis.map(async (shard) => {
      const answer = await inquiry.ask(shard.name, () =>
        withPool({ ...shard, keyspace }, async (pool) => look(pool, keysDbs, keyspace)),
      );
      const { producers = [], locks = new Map<string, never>() } = (await coordination) ?? {};
      const problem = answer?.problem ?? problemOfEpochs(shard.name, answer?.epochs ?? [], locks) ?? null;
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

interface Look {
  readonly level: number | undefined;
  readonly elapsedMs: number;
  readonly problem: string | undefined;
  /** The stored epoch of each keys-db. */
  readonly epochs: readonly { readonly keysDb: string; readonly epoch: number }[];
}

async function look(pool: Pool, keysDbs: PoolsAsked['keysDbs'], keyspace: KeyspaceIdentity): Promise<Look> {
  const startedMs = monotonicMs();
  let level: number | undefined;
  let elapsedMs = 0;
  try {
    level = await pool.level({ timeoutMs: ASK_DEADLINE_MS });
    elapsedMs = monotonicMs() - startedMs;
    const head = await pool.head(HEAD_TEXTS);
    const epochs = await Promise.all(
      keysDbs.map(async ({ name }) => ({ keysDb: name, epoch: (await pool.producerState(name)).epoch })),
    );
    return { level, elapsedMs, problem: problemOfHead(pool.name, head, keyspace.length), epochs };
  } catch (error) {
    if (isContradiction(error)) return { level, elapsedMs, problem: messageOf(error), epochs: [] };
    throw error;
  }
}

/** Compares with the epochs that the holders publish in their locks, as the holders do. */
function problemOfEpochs(
  store: string,
  epochs: Look['epochs'],
  locks: Coordination['locks'],
): string | undefined {
  try {
    for (const { keysDb, epoch } of epochs)
      requirePlausible(epoch, locks.get(keysDb)?.epoch ?? epoch, {
        store,
        what: `epoch of ${producerKey(keysDb)}`,
      });
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function problemOfHead(pool: string, head: readonly string[], keyLength: number): string | undefined {
  if (head.length === 0 || head.some((text) => isPoolKey(text, keyLength))) return undefined;
  return `${pool}: its first texts are no keys of ${keyLength} characters`;
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
