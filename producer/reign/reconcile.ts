import type { KeysDb } from '../../db/keys-db/keys-db.ts';
import type { Pool } from '../../db/redis/pool.ts';
import { FencedError } from '../../db/store-errors.ts';
import type { Log } from '../../runtime/log.ts';
import { withDeadline } from '../../runtime/retry.ts';
import type { ProducerMetrics } from '../metrics.ts';
import type { PoolLevels } from '../pools/levels.ts';
import { DeliveryQueue } from './delivery-queue.ts';
import { Delivery } from './delivery.ts';
import { repeatUntilDone } from './repeat.ts';
import type { WriteGate } from './write-gate.ts';

export interface ReconcileOptions {
  readonly shard: string;
  readonly epoch: number;
  readonly keysDb: KeysDb;
  readonly pools: readonly Pool[];
  readonly levels: PoolLevels;
  readonly gate: WriteGate;
  readonly metrics: ProducerMetrics;
  readonly log: Log;
}

export interface Reconciled {
  /** By pool name. */
  readonly queues: ReadonlyMap<string, DeliveryQueue>;
  readonly delivery: Delivery;
}

/** A pool that does not answer within this time is attached later. Its deliveries wait in its queue. */
const ATTACH_TIMEOUT_MS = 300;

/**
 * Reads what earlier reigns left behind: attaches a queue to every pool that answers, and queues the claimed
 * parts that are not yet delivered, under their recorded numbers.
 *
 * @throws FencedError when another reign has begun
 */
export async function reconcile(options: ReconcileOptions, over: AbortSignal): Promise<Reconciled> {
  const { shard, epoch, keysDb, levels, gate, log } = options;
  const retried = { what: `reconciling ${shard}`, gate, log };
  const logEnd = await repeatUntilDone(retried, over, () => keysDb.logEnd());
  const queues = createQueues(options, logEnd?.lastSeqs ?? new Map());
  const lastBatch = logEnd?.lastBatch ?? 0;
  const onLoss = (pool: string): void => levels.lost(pool);
  const delivery = new Delivery({ keysDb, epoch, lastBatch, queues, onLoss, log });
  await attachAll([...queues.values()]);
  await repeatUntilDone(retried, over, () => delivery.adoptPending());
  return { queues, delivery };
}

function createQueues(
  { shard, epoch, pools, levels, metrics }: ReconcileOptions,
  lastSeqs: ReadonlyMap<string, number>,
): ReadonlyMap<string, DeliveryQueue> {
  const queues = pools.map((pool) => {
    const { name } = pool;
    return new DeliveryQueue({
      pool,
      shard,
      epoch,
      lastSeq: lastSeqs.get(name) ?? 0,
      hasRoom: (keys) => levels.hasRoom(name, keys),
      onReply: (result, level, keys) => {
        levels.observe(name, level);
        metrics.deliveries.inc({ result });
        if (result === 'ok') metrics.keysDelivered.inc({ keys_db: shard, pool: name }, keys);
      },
    });
  });
  return new Map(queues.map((queue) => [queue.poolName, queue]));
}

/** @throws FencedError of any pool. After another failure, {@link deliverInOrder} attaches the queue. */
async function attachAll(queues: readonly DeliveryQueue[]): Promise<void> {
  const outcomes = await Promise.allSettled(
    queues.map((queue) => withDeadline('attaching', ATTACH_TIMEOUT_MS, () => queue.attach())),
  );
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected' && outcome.reason instanceof FencedError) throw outcome.reason;
  }
}
