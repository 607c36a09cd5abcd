import { isContradiction } from '../../db/store-errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { RefusedPools } from '../pools/refused-pools.ts';
import type { DeliveryQueue, Part } from './delivery-queue.ts';
import type { Delivery } from './delivery.ts';
import { Failures } from './failures.ts';
import { whenWritable, type WriteGate } from './write-gate.ts';

export interface DeliverInOrderOptions {
  readonly queue: DeliveryQueue;
  readonly delivery: Delivery;
  readonly gate: WriteGate;
  readonly shard: string;
  readonly refused: RefusedPools;
  readonly log: Log;
}

const BACKOFF = { baseMs: 50, maxMs: 1_000 };

/**
 * Delivers one pool's queue until aborted: attaches, then sends one part after the other.
 *
 * @throws FencedError from any store: the reign is over
 */
export async function deliverInOrder(options: DeliverInOrderOptions, signal: AbortSignal): Promise<void> {
  const { queue, delivery, gate, shard, refused, log } = options;
  const failures = new Failures(log.child({ pool: queue.poolName }), BACKOFF);
  while (!signal.aborted) {
    await whenWritable(gate, signal);
    if (signal.aborted) return;
    try {
      if (!queue.isAttached) {
        await queue.attach();
        refused.accepted(shard, queue.poolName, log);
        failures.forget();
      }
      const part = await queue.next(signal);
      if (part === undefined) continue;
      if ((await queue.deliver(part)) === 'delivered') delivery.delivered(part);
      else await closeGap(options, part);
    } catch (error) {
      queue.detach();
      refused.failed(shard, queue.poolName, error, log);
      // A refused pool has been logged.
      const message = isContradiction(error) ? undefined : 'pool does not answer; its deliveries wait';
      await failures.pauseAfter(error, message, signal);
    }
  }
}

/**
 * The pool stores an earlier seq than that of the part before this one. If that part is claimed and not in
 * hand, it is delivered first. If the pool has lost it, the loss is recorded before the pool's seq moves past
 * it.
 */
async function closeGap({ queue, delivery, log }: DeliverInOrderOptions, part: Part): Promise<void> {
  await delivery.adoptPending();
  if (!queue.isHead(part)) return;
  const loss = await queue.findLoss(part);
  if (loss === undefined) return;
  const { pool, fromSeq, toSeq } = loss;
  log.warn({ pool, fromSeq, toSeq }, 'the pool has lost deliveries; recording them');
  await delivery.recordLoss(loss);
  await queue.skip(loss);
}
