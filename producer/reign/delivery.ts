import type { Batch } from '../../db/keys-db/batch.ts';
import type { Loss } from '../../db/keys-db/deliveries.ts';
import type { KeysDb } from '../../db/keys-db/keys-db.ts';
import { placementOf } from '../../db/keyspace/placement.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { Bell } from '../bell.ts';
import type { DeliveryQueue, Part } from './delivery-queue.ts';
import { Failures } from './failures.ts';

export interface DeliveryOptions {
  readonly keysDb: KeysDb;
  readonly epoch: number;
  /** The newest batch in the keys-db when the reign began. */
  readonly lastBatch: number;
  readonly queues: ReadonlyMap<string, DeliveryQueue>;
  /** Called before a loss of this pool is recorded. */
  readonly onLoss: (pool: string) => void;
  readonly log: Log;
}

/** A claimed batch that is not yet marked as delivered in all its parts. */
interface InHand {
  readonly batch: Batch;
  /** Indexes of parts delivered and not yet marked. */
  readonly unmarked: Set<number>;
  /** Indexes of parts not yet delivered. */
  readonly owed: Set<number>;
  /** When its first unmarked part was delivered. */
  unmarkedSinceMs: number;
}

/** Delivered parts wait this long for the others of their batch, so that one statement marks most batches. */
const MARK_DELAY_MS = 50;

/**
 * Delivers claimed batches to the pools and marks them in the keys-db, for one reign.
 *
 * claimed → rows read → parts queued → delivered → marked. Reading the next batch and marking the last one
 * overlap delivering; every batch is in hand from its claim until all its parts are marked.
 */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #inHand = new Map<number, InHand>();
  readonly #marks = new Bell();
  readonly #progress = new Bell();
  /** Batch ids rise, so a higher one found in the keys-db is a claim whose answer was lost. */
  #seenUpTo = 0;
  #adopting: Promise<void> | undefined;

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  /** Batches that pools can take now or that wait for their mark. The others wait only for their pools. */
  get moving(): number {
    const isMoving = ({ batch, owed, unmarked }: InHand): boolean =>
      owed.size === 0 ||
      unmarked.size > 0 ||
      [...owed].some((index) => this.#queueOf(batch, index)?.isMoving ?? false);
    return [...this.#inHand.values()].filter(isMoving).length;
  }

  /** Batches whose every undelivered part waits for its pool. */
  get waiting(): number {
    return this.#inHand.size - this.moving;
  }

  /** Id of the last batch that was accepted. */
  get seenUpTo(): number {
    return this.#seenUpTo;
  }

  /** Id of the newest batch known to this reign, in hand or completed. */
  get knownUpTo(): number {
    return Math.max(this.#options.lastBatch, this.#seenUpTo);
  }

  /** Returns when a part was delivered or marked, or after `timeoutMs`. */
  async progress(timeoutMs: number, signal: AbortSignal): Promise<void> {
    await this.#progress.wait(timeoutMs, signal);
  }

  /**
   * Reads the rows of a claimed batch and hands its parts to the queues. Call it in the order of the claims,
   * and after a failure with the same batch again: a batch left out would look like lost data.
   */
  async accept(batch: Batch): Promise<void> {
    if (batch.id <= this.#seenUpTo) return;
    const { keysDb, queues } = this.#options;
    const keys = split(await keysDb.textsOf(batch), batch.parts.length);
    const undelivered = batch.parts.flatMap((part, index) => (part.isDelivered ? [] : [{ ...part, index }]));
    for (const part of undelivered) if (!queues.has(part.pool)) await this.#writeOff(part.pool, part.seq);
    // From here on nothing is awaited, so a batch is in hand with all its parts or not at all.
    if (batch.id <= this.#seenUpTo) return;
    this.#seenUpTo = batch.id;
    const owed = new Set(undelivered.map((part) => part.index));
    this.#inHand.set(batch.id, { batch, owed, unmarked: new Set(), unmarkedSinceMs: 0 });
    // No pool needs recycled keys: without this rule, the pools would grow with every loss.
    const needsRoom = batch.kind === 'recycled';
    const claimedTo = batch.kind === 'range' ? batch.lastId : undefined;
    for (const { pool, seq, index } of undelivered) {
      const part = { batchId: batch.id, index, seq, keys: keys[index] ?? [], claimedTo, needsRoom };
      const queue = queues.get(pool);
      if (queue) queue.enqueue(part);
      else this.delivered(part);
    }
    this.#marks.ring();
  }

  /**
   * Accepts every batch that the keys-db shows as claimed and not delivered, and that is not in hand: the
   * replay after a takeover or after a lost answer.
   */
  async adoptPending(): Promise<void> {
    this.#adopting ??= (async () => {
      const pending = await this.#options.keysDb.pendingBatches();
      for (const batch of pending.sort((a, b) => a.id - b.id)) await this.accept(batch);
    })().finally(() => (this.#adopting = undefined));
    return this.#adopting;
  }

  /**
   * Marks delivered parts until aborted. While the keys-db is down only marks wait: the pools have the keys.
   */
  async run(signal: AbortSignal): Promise<void> {
    const failures = new Failures(this.#options.log);
    while (!signal.aborted) {
      try {
        const marked = await this.#markNext();
        failures.forget();
        if (!marked) await this.#marks.wait(MARK_DELAY_MS, signal);
      } catch (error) {
        await failures.pauseAfter(error, 'parts not marked as delivered; repeating', signal);
      }
    }
  }

  /** Returns when everything that healthy pools can take is delivered and marked, or when aborted. */
  async finish(signal: AbortSignal): Promise<void> {
    while (this.moving > 0 && !signal.aborted) await this.#progress.wait(10, signal);
  }

  /** Records durably in the keys-db that a pool has lost deliveries. @throws FencedError */
  async recordLoss(loss: Loss): Promise<void> {
    this.#options.onLoss(loss.pool);
    await this.#options.keysDb.recordLoss({ epoch: this.#options.epoch, ...loss });
  }

  async #writeOff(pool: string, seq: number): Promise<void> {
    this.#options.log.warn(
      { pool, seq },
      'the pool of a claimed part is no longer configured; recording a loss',
    );
    await this.recordLoss({ pool, fromSeq: seq, toSeq: seq, incarnation: '' });
  }

  /** Call it once for each part, when the pool has it. */
  delivered({ batchId, index }: Pick<Part, 'batchId' | 'index'>): void {
    const inHand = this.#inHand.get(batchId);
    if (!inHand) return;
    inHand.owed.delete(index);
    if (inHand.unmarked.size === 0) inHand.unmarkedSinceMs = monotonicMs();
    inHand.unmarked.add(index);
    this.#marks.ring();
    this.#progress.ring();
  }

  /** Marks the oldest batch that is ready for it; false if none is. */
  async #markNext(): Promise<boolean> {
    const now = monotonicMs();
    // A batch that owes nothing is marked even without an unmarked part: its last mark may be incomplete.
    const ready = [...this.#inHand.values()].find(
      ({ owed, unmarked, unmarkedSinceMs }) =>
        owed.size === 0 || (unmarked.size > 0 && now - unmarkedSinceMs >= MARK_DELAY_MS),
    );
    if (!ready) return false;
    const indexes = [...ready.unmarked];
    await this.#options.keysDb.markDelivered(ready.batch, indexes);
    for (const index of indexes) ready.unmarked.delete(index);
    if (ready.owed.size === 0 && ready.unmarked.size === 0) this.#inHand.delete(ready.batch.id);
    this.#progress.ring();
    return true;
  }

  #queueOf(batch: Batch, index: number): DeliveryQueue | undefined {
    return this.#options.queues.get(batch.parts[index]?.pool ?? '');
  }
}

/** The keys of each part. Only the key and the number of parts decide, so a replay makes the same parts. */
function split(keys: readonly string[], count: number): string[][] {
  const parts = Array.from({ length: count }, (): string[] => []);
  for (const key of keys) parts[placementOf(key, count)]?.push(key);
  return parts;
}
