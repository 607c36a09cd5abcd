import { createEnsembleId } from '../../coordinator/ensemble.ts';
import { isHeld, tryAcquire } from '../../coordinator/lock.ts';
import { lockPath } from '../../coordinator/paths.ts';
import type { KeysDb } from '../../db/keys-db/keys-db.ts';
import type { Pool } from '../../db/redis/pool.ts';
import { createProducerMetrics } from '../../producer/metrics.ts';
import { PoolLevels } from '../../producer/pools/levels.ts';
import { Reign } from '../../producer/reign/reign.ts';
import type { PoolLimits } from '../../runtime/config/config.ts';
import { createMetrics } from '../../runtime/metrics.ts';
import { log, type Cluster } from './cluster.ts';

export interface Reigning extends AsyncDisposable {
  readonly reign: Reign;
  readonly levels: PoolLevels;
  /** Ends the reign as a kill does: nothing is finished. */
  abandon(): Promise<void>;
}

export interface ReigningOptions {
  readonly keysDb?: KeysDb;
  readonly pools?: readonly Pool[];
  readonly limits?: Partial<PoolLimits>;
  readonly batchSize?: number;
  readonly generation?: { low: number; count: number };
}

/** One reign over keys-db-1 in this process, with a real lock; released when disposed. */
export async function reignOver(cluster: Cluster, options: ReigningOptions = {}): Promise<Reigning> {
  const [firstKeysDb] = cluster.keysDbs;
  const keysDb = options.keysDb ?? firstKeysDb;
  if (!keysDb) throw new Error('a cluster without keys-dbs');
  const pools = options.pools ?? cluster.pools;
  const ensemble = await createEnsembleId(cluster.session);
  const lock = await tryAcquire(cluster.session, lockPath(keysDb.name), {
    owner: 'test',
    host: 'here',
    pid: 1,
  });
  if (!isHeld(lock)) throw new Error(`${keysDb.name} is held: ${lock.takenBy.raw}`);
  const levels = new PoolLevels(pools, {
    lowFloor: 400,
    highFloor: 1_000,
    highCeiling: 1_000,
    minutesHeld: 5,
    ...options.limits,
  });
  const polling = new AbortController();
  void levels.run(polling.signal);
  const reign = new Reign({
    shard: keysDb.name,
    owner: 'test',
    ensemble,
    lock,
    keysDb,
    pools,
    levels,
    batchSize: options.batchSize ?? 500,
    generation: options.generation ?? { low: 5_000, count: 5_000 },
    surroundings: { urlsDbs: [], keyspace: cluster.keyspace, quarantineMs: 60_000, reserves: async () => [] },
    metrics: createProducerMetrics(createMetrics(), levels),
    log,
  });
  return {
    reign,
    levels,
    abandon: async () => {
      await lock.release();
      await reign.done;
      polling.abort();
    },
    [Symbol.asyncDispose]: async () => {
      await reign.release();
      await lock.release();
      polling.abort();
    },
  };
}
