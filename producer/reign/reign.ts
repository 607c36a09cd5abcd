import type { HeldLock } from '../../coordinator/lock.ts';
import type { KeysDb } from '../../db/keys-db/keys-db.ts';
import type { Pool } from '../../db/redis/pool.ts';
import { FencedError, MismatchError } from '../../db/store-errors.ts';
import { SuspectSearch, type SuspectSearchOptions } from '../../db/audit/suspect-search.ts';
import { KeymillError } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { withDeadline } from '../../runtime/retry.ts';
import { Bell } from '../bell.ts';
import { deliverInOrder } from './deliver-in-order.ts';
import { Delivery } from './delivery.ts';
import { keepGenerated } from './generator.ts';
import { DeliveryQueue } from './delivery-queue.ts';
import type { PoolLevels } from '../pools/levels.ts';
import type { ProducerMetrics } from '../metrics.ts';
import { raiseOwnEpoch } from './ownership.ts';
import { Recycler, type RecycleResult } from './recycle.ts';
import { RecycleQueue } from './recycle-queue.ts';
import { refill } from './refill.ts';
import { repeatUntilDone } from './repeat.ts';
import { Stock, type StockLimits } from './stock.ts';

export interface ReignOptions {
  readonly shard: string;
  readonly owner: string;
  readonly ensemble: string;
  readonly lock: HeldLock;
  readonly keysDb: KeysDb;
  readonly pools: readonly Pool[];
  readonly levels: PoolLevels;
  readonly batchSize: number;
  readonly generation: StockLimits;
  /** Where else a key can be, for the search for leaked ones. */
  readonly surroundings: Omit<SuspectSearchOptions, 'keysDb' | 'pools' | 'log'>;
  readonly metrics: ProducerMetrics;
  readonly log: Log;
}

/**
 * Why a reign is over: asked to, its lock gone, refused by a store that knows a later reign, refused by the keys-db
 * before it began, or a fault.
 */
export type ReignEnd = 'released' | 'lock-gone' | 'fenced' | 'refused' | 'failed';

/** Steps 4 and 5 wait this long for a store; what it owes then stays pending in its lane. */
const ATTACH_TIMEOUT_MS = 300;
const REPLAY_TIMEOUT_MS = 500;
/** What a release may spend on deliveries under way; the successor replays the rest. */
const FINISH_MS = 200;
const GRACE_MS = 50;

/**
 * One reign over one keys-db shard, from the lock to its loss: own → reconcile → refill and generate.
 *
 * - owning: the epoch is being raised. Nothing is written anywhere else.
 * - reconciling: queues attach to the pools, claimed parts of earlier reigns are replayed with their recorded numbers.
 * - ready: claims, delivers, generates. Entered once, with `onReady`.
 * - stopping: asked to release; claims no more, finishes deliveries for a bounded time.
 * - over: `done` is resolved, nothing new is started. Calls still in flight are refused by the stores, or harmless.
 */
export class Reign {
  readonly shard: string;
  /** Never rejects. The lock is not released by the reign: its owner decides how. */
  readonly done: Promise<ReignEnd>;
  readonly #options: ReignOptions;
  readonly #stopping = new AbortController();
  readonly #over = new AbortController();
  readonly #end = Promise.withResolvers<ReignEnd>();
  readonly #startedMs = performance.now();
  #epoch: number | undefined;
  #ready = false;
  #recycler: Recycler | undefined;

  constructor(options: ReignOptions) {
    this.shard = options.shard;
    this.#options = options;
    this.done = this.#end.promise;
    const { signal } = options.lock;
    const onLockGone = (): void => this.#finish('lock-gone');
    signal.addEventListener('abort', onLockGone, { once: true });
    void this.done.then(() => signal.removeEventListener('abort', onLockGone));
    if (signal.aborted) onLockGone();
    this.#run().catch((error: unknown) => this.#fail(error));
  }

  /** Undefined until the keys-db has granted it. */
  get epoch(): number | undefined {
    return this.#epoch;
  }

  /** Reconciled and able to deliver. */
  get ready(): boolean {
    return this.#ready && !this.#over.signal.aborted;
  }

  /** It was ready once, whatever came of it. */
  get wasReady(): boolean {
    return this.#ready;
  }

  /** Searches for leaked keys now, and claims again those out of quarantine. @throws KeymillError while not ready */
  async recycle(): Promise<RecycleResult> {
    if (!this.#recycler) throw new KeymillError('NOT_READY', `${this.shard} is not reconciled yet`);
    return this.#recycler.recycle();
  }

  /** Claims no more, finishes deliveries (bounded), then the reign is over. Returns when it is. */
  async release(): Promise<ReignEnd> {
    this.#stopping.abort();
    if (!this.#ready) this.#finish('released');
    // Also when a store hangs: what is claimed by then is replayed by the successor.
    setTimeout(() => this.#finish('released'), FINISH_MS + GRACE_MS).unref();
    return this.done;
  }

  async #run(): Promise<void> {
    const over = this.#over.signal;
    const { lock, metrics, shard } = this.#options;
    const epoch = await raiseOwnEpoch({ ...this.#options, gate: lock }, over);
    if (over.aborted) return;
    if (epoch === undefined) return this.#finish('refused');
    this.#epoch = epoch;
    void this.#showEpoch(epoch);
    metrics.epoch.set({ keys_db: shard }, epoch);

    const { queues, delivery } = await this.#reconcile(epoch);
    if (over.aborted) return;
    const { log } = this.#options;
    const loops = [...queues.values()].map((queue) =>
      deliverInOrder({ queue, delivery, gate: lock, log }, over),
    );
    loops.push(delivery.run(over));
    const running = Promise.all(loops);
    running.catch((error: unknown) => this.#fail(error));
    await delivery.finish(AbortSignal.any([over, AbortSignal.timeout(REPLAY_TIMEOUT_MS)]));
    if (over.aborted) return;
    this.#becomeReady(epoch);
    await this.#produce(epoch, queues, delivery);
  }

  /** In the lock's data, for operators; nothing waits for it. */
  async #showEpoch(epoch: number): Promise<void> {
    const { shard, lock, log } = this.#options;
    const what = `showing the epoch of ${shard}`;
    await repeatUntilDone({ what, gate: lock, log }, this.#over.signal, () => lock.publishEpoch(epoch));
  }

  /** Steps 4 and 5: per store in parallel, with deadlines. Modelled in test/model/hand-off.pml. */
  async #reconcile(epoch: number): Promise<{ queues: Map<string, DeliveryQueue>; delivery: Delivery }> {
    const { shard, keysDb, levels, lock: gate, log } = this.#options;
    const patient = { what: `reconciling ${shard}`, gate, log };
    const logEnd = await repeatUntilDone(patient, this.#over.signal, () => keysDb.logEnd());
    const queues = this.#createQueues(epoch, logEnd?.lastSeqs ?? new Map());
    const lastBatch = logEnd?.lastBatch ?? 0;
    const onLoss = (pool: string): void => levels.lost(pool);
    const delivery = new Delivery({ keysDb, epoch, lastBatch, queues, onLoss, log });
    const attached = await Promise.allSettled(
      [...queues.values()].map((queue) => withDeadline('attaching', ATTACH_TIMEOUT_MS, () => queue.attach())),
    );
    for (const outcome of attached) {
      if (outcome.status === 'rejected' && outcome.reason instanceof FencedError) throw outcome.reason;
    }
    await repeatUntilDone(patient, this.#over.signal, () => delivery.adoptPending());
    return { queues, delivery };
  }

  #createQueues(epoch: number, lastSeqs: ReadonlyMap<string, number>): Map<string, DeliveryQueue> {
    const { shard, pools, levels, metrics } = this.#options;
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

  #becomeReady(epoch: number): void {
    const { log, metrics, shard } = this.#options;
    this.#ready = true;
    metrics.lockHeld.set({ keys_db: shard }, 1);
    metrics.takeovers.inc();
    const tookMs = performance.now() - this.#startedMs;
    metrics.takeoverSeconds.observe(tookMs / 1000);
    log.info({ epoch, tookMs: Math.round(tookMs) }, 'reign ready: reconciled, delivering');
  }

  async #produce(epoch: number, queues: Map<string, DeliveryQueue>, delivery: Delivery): Promise<void> {
    const { keysDb, levels, lock: gate, batchSize, generation, metrics, log, shard } = this.#options;
    const over = this.#over.signal;
    const stopping = AbortSignal.any([over, this.#stopping.signal]);
    const exhausted = new Bell();
    const needed = new Bell();
    const recycling = new RecycleQueue(needed);
    const stock = new Stock(generation);
    const onUnused = (unused: number): void => metrics.keysUnused.set({ keys_db: shard }, unused);
    const generator = keepGenerated({ keysDb, epoch, gate, stock, log, bell: exhausted, onUnused }, stopping);
    generator.catch((error: unknown) => this.#fail(error));
    void this.#beginRecycling(recycling, stopping).run();
    await refill(
      { keysDb, epoch, queues, delivery, levels, gate, stock, batchSize, log, needed, exhausted, recycling },
      stopping,
      over,
    );
    await delivery.finish(AbortSignal.any([over, AbortSignal.timeout(FINISH_MS)]));
    this.#finish('released');
  }

  #beginRecycling(queue: RecycleQueue, signal: AbortSignal): Recycler {
    const { keysDb, pools, surroundings, metrics, log } = this.#options;
    const search = new SuspectSearch({ keysDb, pools, ...surroundings, log });
    const onRecycled = (keys: number): void => metrics.keysRecycled.inc(keys);
    this.#recycler = new Recycler({ shard: this.shard, search, queue, log, onRecycled, signal });
    return this.#recycler;
  }

  #fail(error: unknown): void {
    if (this.#over.signal.aborted) return;
    if (error instanceof FencedError) {
      this.#options.log.warn({ error }, 'fenced: the reign is over');
      this.#finish('fenced');
    } else if (error instanceof MismatchError) {
      this.#options.log.error({ error }, 'the keys-db refuses this reign');
      this.#finish('refused');
    } else {
      this.#options.log.error({ error }, 'reign failed');
      this.#finish('failed');
    }
  }

  /** Modelled in test/model/hand-off.pml. */
  #finish(end: ReignEnd): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    this.#options.metrics.lockHeld.set({ keys_db: this.shard }, 0);
    this.#options.log.info({ end, epoch: this.#epoch }, 'reign over');
    this.#end.resolve(end);
  }
}
