import type { KeysDb } from '../../db/keys-db/keys-db.ts';
import { MAX_PARTS, type Batch } from '../../db/keys-db/batch.ts';
import type { Log } from '../../runtime/log.ts';
import { pauseQuietly } from '../../runtime/retry.ts';
import type { Bell } from '../bell.ts';
import type { Delivery } from './delivery.ts';
import type { DeliveryQueue } from './delivery-queue.ts';
import type { PoolLevels } from '../pools/levels.ts';
import { Failures } from './failures.ts';
import { planRefill, type PoolView, type RefillPlan } from './refill-policy.ts';
import type { RecycleQueue } from './recycle-queue.ts';
import { repeatUntilDone } from './repeat.ts';
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
  /** Rung when nothing unused was left. */
  readonly exhausted: Bell;
  /** Leaked keys to be claimed again; they go first. */
  readonly recycling: RecycleQueue;
}

/** Batches on their way at once: one being read, one being delivered, one being marked, one to spare. */
const MAX_MOVING = 4;
/** Batches that wait for their pools; recycled keys beyond them stay where they are, as leaked ones that are known. */
const MAX_WAITING = 32;
const IDLE_MS = 100;

/**
 * Claims what the pools need, one claim in flight at a time, until `stopping` is aborted; then returns when the claimed
 * batches are read (or `ended` is aborted).
 *
 * @throws FencedError when another reign has begun
 * Modelled in test/model/hand-off.pml.
 */
export async function refill(
  options: RefillOptions,
  stopping: AbortSignal,
  ended: AbortSignal,
): Promise<void> {
  const { delivery, levels, gate, log, needed, exhausted, recycling } = options;
  using _ = levels.watch(needed);
  const reader = new Reader(options, ended);
  const failures = new Failures(log);
  let unresolved = false;
  while (!stopping.aborted) {
    await whenWritable(gate, stopping);
    reader.throwIfFailed();
    if (delivery.moving + reader.reading >= MAX_MOVING) {
      await delivery.progress(IDLE_MS, stopping);
      continue;
    }
    const plan = planRefill(viewPools(options), {
      heldShards: levels.heldShards,
      batchSize: options.batchSize,
      spare: options.stock.spare,
    });
    if (delivery.waiting >= MAX_WAITING) recycling.refuse();
    const recycles = !recycling.isEmpty && healthyPools(options).length > 0;
    if (!(plan || recycles) || stopping.aborted) {
      await needed.wait(IDLE_MS, stopping);
      continue;
    }
    try {
      if (unresolved) {
        await reader.idle();
        await delivery.adoptPending();
        unresolved = false;
        continue;
      }
      if (recycles) {
        await recycling.claimNext((ids) => claimAgain(options, ids, reader));
      } else if (plan && !(await claim(options, plan, reader))) {
        exhausted.ring();
        await pauseQuietly(IDLE_MS, stopping);
      }
      failures.forget();
    } catch (error) {
      // The claim may have been made though its answer was lost: its batch must be in hand before the next is numbered.
      unresolved = true;
      await failures.pauseAfter(error, 'cannot claim keys for now', stopping);
    }
  }
  await reader.idle();
  reader.throwIfFailed();
}

async function claim(options: RefillOptions, plan: RefillPlan, reader: Reader): Promise<boolean> {
  const { keysDb, epoch, stock } = options;
  const parts = partsFor(options, plan.targets);
  const batch = await keysDb.claim({ epoch, after: newestKnown(options, reader), count: plan.count, parts });
  if (batch) {
    const size = batch.lastId - batch.firstId + 1;
    stock.claimed(size);
    carry(options, batch, size, reader);
  }
  return batch !== undefined;
}

async function claimAgain(options: RefillOptions, ids: readonly number[], reader: Reader): Promise<void> {
  const { keysDb, epoch, levels } = options;
  const healthy = healthyPools(options);
  const roomy = healthy.filter((pool) => levels.hasRoom(pool, ids.length));
  const parts = partsFor(options, roomy.length > 0 ? roomy : healthy);
  const after = newestKnown(options, reader);
  carry(options, await keysDb.claimRecycled({ epoch, after, ids, parts }), ids.length, reader);
}

/** The last batch this reign knows of: what is claimed next must come right after it. */
function newestKnown({ delivery }: RefillOptions, reader: Reader): number {
  return Math.max(delivery.knownUpTo, reader.newest);
}

function partsFor({ queues }: RefillOptions, pools: readonly string[]): { pool: string; seq: number }[] {
  const parts = pools.flatMap((pool) => {
    const queue = queues.get(pool);
    return queue ? [{ pool, seq: queue.nextSeq }] : [];
  });
  return parts.slice(0, MAX_PARTS);
}

/** Modelled in test/model/hand-off.pml. */
function carry({ queues, delivery }: RefillOptions, batch: Batch, size: number, reader: Reader): void {
  // Reading the pending batches took it in hand while its claim was being repeated.
  if (batch.id <= delivery.seenUpTo) return;
  const aboutKeys = Math.ceil(size / batch.parts.length);
  for (const { pool, seq } of batch.parts) queues.get(pool)?.announce(seq, aboutKeys);
  reader.read(batch);
}

function healthyPools(options: RefillOptions): string[] {
  return viewPools(options)
    .filter(({ healthy }) => healthy)
    .map(({ name }) => name);
}

function viewPools({ queues, levels }: RefillOptions): PoolView[] {
  return levels.all().flatMap((level): PoolView[] => {
    const queue = queues.get(level.name);
    if (!queue) return [];
    return [{ ...level, healthy: level.answers && queue.isHealthy, queued: queue.queuedKeys }];
  });
}

/** Reads claimed batches one after the other, each until it succeeds: claiming and delivering go on meanwhile. */
class Reader {
  readonly #options: RefillOptions;
  readonly #signal: AbortSignal;
  #chain: Promise<void> = Promise.resolve();
  #failure: unknown;
  reading = 0;
  /** The last batch handed to it. */
  newest = 0;

  constructor(options: RefillOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  read(batch: Batch): void {
    this.reading += 1;
    this.newest = batch.id;
    this.#chain = this.#chain
      .then(() => this.#readUntilDone(batch))
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => (this.reading -= 1));
  }

  async idle(): Promise<void> {
    await this.#chain;
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Modelled in test/model/hand-off.pml. */
  async #readUntilDone(batch: Batch): Promise<void> {
    const { keysDb, gate, log, delivery } = this.#options;
    const what = `reading batch ${batch.id} of ${keysDb.name}`;
    await repeatUntilDone({ what, gate, log }, this.#signal, () => delivery.accept(batch));
  }
}
