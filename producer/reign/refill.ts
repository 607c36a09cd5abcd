import type { KeysDb } from '../../db/keys-db/keys-db.ts';
import type { Log } from '../../runtime/log.ts';
import { pauseQuietly } from '../../runtime/retry.ts';
import type { Bell } from '../bell.ts';
import type { PoolLevels } from '../pools/levels.ts';
import { BatchReader } from './batch-reader.ts';
import { Claimer } from './claimer.ts';
import type { DeliveryQueue } from './delivery-queue.ts';
import type { Delivery } from './delivery.ts';
import { Failures } from './failures.ts';
import type { RecycleQueue } from './recycle-queue.ts';
import { planRefill } from './refill-policy.ts';
import type { Stock } from './stock.ts';
import { whenWritable, type WriteGate } from './write-gate.ts';

export interface RefillOptions {
  readonly keysDb: KeysDb;
  readonly epoch: number;
  readonly queues: ReadonlyMap<string, DeliveryQueue>;
  readonly delivery: Delivery;
  readonly levels: PoolLevels;
  readonly gate: WriteGate;
  readonly stock: Stock;
  readonly batchSize: number;
  readonly log: Log;
  /** Wakes the refill: a pool needs keys, or leaked keys are to be claimed. */
  readonly needed: Bell;
  /** Rung when a claim found no unused key. */
  readonly exhausted: Bell;
  /** Leaked keys to be claimed again. They go first. */
  readonly recycling: RecycleQueue;
}

/** Batches under way together: one being read, one being delivered, one being marked, one to spare. */
const MAX_MOVING = 4;
/** Batches that wait for their pools. Beyond them, recycled keys are refused and stay recorded as leaked. */
const MAX_WAITING = 32;
const IDLE_MS = 100;

/**
 * Claims what the pools need, one claim in flight at a time, until `stopping` is aborted. Then returns when
 * the claimed batches are read (or `over` is aborted).
 *
 * @throws FencedError when another reign has begun
 */
export async function refill(
  options: RefillOptions,
  stopping: AbortSignal,
  over: AbortSignal,
): Promise<void> {
  const { delivery, levels, gate, log, needed } = options;
  using _ = levels.watch(needed);
  const reader = new BatchReader(options, over);
  const claimer = new Claimer({ ...options, reader });
  const failures = new Failures(log);
  let isUnresolved = false;
  while (!stopping.aborted) {
    await whenWritable(gate, stopping);
    reader.throwIfFailed();
    if (delivery.moving + reader.reading >= MAX_MOVING) {
      await delivery.progress(IDLE_MS, stopping);
      continue;
    }
    const claim = nextClaim(options, claimer, stopping);
    if (claim === undefined || stopping.aborted) {
      await needed.wait(IDLE_MS, stopping);
      continue;
    }
    try {
      if (isUnresolved) {
        await reader.whenIdle();
        await delivery.adoptPending();
        isUnresolved = false;
        continue;
      }
      await claim();
      failures.forget();
    } catch (error) {
      // The claim may have been made and only its answer lost. Its batch must be in hand before the next is
      // numbered.
      isUnresolved = true;
      await failures.pauseAfter(error, 'cannot claim keys for now', stopping);
    }
  }
  await reader.whenIdle();
  reader.throwIfFailed();
}

/** The claim to make now; undefined when no pool needs one. */
function nextClaim(
  { delivery, levels, batchSize, stock, recycling, exhausted }: RefillOptions,
  claimer: Claimer,
  stopping: AbortSignal,
): (() => Promise<void>) | undefined {
  if (delivery.waiting >= MAX_WAITING) recycling.refuse();
  if (!recycling.isEmpty && claimer.healthyPools().length > 0)
    return () => recycling.claimNext((keys) => claimer.claimAgain(keys));
  const { heldShards } = levels;
  const plan = planRefill(claimer.pools(), { heldShards, batchSize, spare: stock.spare });
  if (!plan) return undefined;
  return async () => {
    if (await claimer.claim(plan)) return;
    exhausted.ring();
    await pauseQuietly(IDLE_MS, stopping);
  };
}
