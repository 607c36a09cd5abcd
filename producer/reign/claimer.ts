import { MAX_PARTS, type Batch } from '../../db/keys-db/batch.ts';
import type { KeysDb } from '../../db/keys-db/keys-db.ts';
import { idsFor, keysAmong } from '../../db/keyspace/loose-ends.ts';
import type { PoolLevels } from '../pools/levels.ts';
import type { BatchReader } from './batch-reader.ts';
import type { DeliveryQueue } from './delivery-queue.ts';
import type { Delivery } from './delivery.ts';
import type { LeakedKeys } from './recycle-queue.ts';
import type { PoolView, RefillPlan } from './refill-policy.ts';
import type { Stock } from './stock.ts';

export interface ClaimerOptions {
  readonly keysDb: KeysDb;
  readonly epoch: number;
  readonly queues: ReadonlyMap<string, DeliveryQueue>;
  readonly delivery: Delivery;
  readonly reader: BatchReader;
  readonly levels: PoolLevels;
  readonly stock: Stock;
}

/** Makes the claims of one reign. One claim in flight at a time: each names the batch that it must follow. */
export class Claimer {
  readonly #options: ClaimerOptions;

  constructor(options: ClaimerOptions) {
    this.#options = options;
  }

  /** The pools in the form that a refill plan needs. */
  pools(): PoolView[] {
    const { levels, queues } = this.#options;
    return levels.all().flatMap((level): PoolView[] => {
      const queue = queues.get(level.name);
      if (!queue) return [];
      return [{ ...level, isHealthy: level.isAnswering && queue.isHealthy, queued: queue.queuedKeys }];
    });
  }

  healthyPools(): string[] {
    return this.pools().flatMap(({ name, isHealthy }) => (isHealthy ? [name] : []));
  }

  /** Claims unused keys, about as many as planned. Returns false when none are left. */
  async claim({ targets, count }: RefillPlan): Promise<boolean> {
    const { keysDb, epoch, stock } = this.#options;
    const batch = await keysDb.claim({
      epoch,
      after: this.#newest(),
      count: idsFor(count),
      parts: this.#partsFor(targets),
    });
    if (batch === undefined) return false;
    const size = keysAmong(batch.lastId - batch.firstId + 1);
    stock.claimed(size);
    this.#announceAndRead(batch, size);
    return true;
  }

  /**
   * Claims leaked keys again, for the pools with room if there are any.
   * @returns false when keys were written off since these were judged: judge them again
   */
  async claimAgain({ ids, version }: LeakedKeys): Promise<boolean> {
    const { keysDb, epoch, levels } = this.#options;
    const healthy = this.healthyPools();
    const roomy = healthy.filter((pool) => levels.hasRoom(pool, ids.length));
    const parts = this.#partsFor(roomy.length > 0 ? roomy : healthy);
    const batch = await keysDb.claimRecycled({ epoch, after: this.#newest(), ids, parts, version });
    if (batch === undefined) return false;
    this.#announceAndRead(batch, ids.length);
    return true;
  }

  /** Id of the newest batch that is in hand or completed. The next claim must follow it directly. */
  #newest(): number {
    const { delivery, reader } = this.#options;
    return Math.max(delivery.knownUpTo, reader.newest);
  }

  #partsFor(pools: readonly string[]): { pool: string; seq: number }[] {
    const parts = pools.flatMap((pool) => {
      const queue = this.#options.queues.get(pool);
      return queue ? [{ pool, seq: queue.nextSeq }] : [];
    });
    return parts.slice(0, MAX_PARTS);
  }

  #announceAndRead(batch: Batch, size: number): void {
    const { queues, delivery, reader } = this.#options;
    // A queue that found a gap may have adopted this batch while its claim was repeated.
    if (batch.id <= delivery.seenUpTo) return;
    const aboutKeys = Math.ceil(size / batch.parts.length);
    for (const { pool, seq } of batch.parts) queues.get(pool)?.announce(seq, aboutKeys);
    reader.read(batch);
  }
}
