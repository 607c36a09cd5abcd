import type { HeldLock } from '../../coordinator/lock.ts';
import { SuspectSearch, type SuspectSearchOptions } from '../../db/audit/suspect-search.ts';
import { UrlsWatch } from '../../db/audit/urls-watch.ts';
import type { KeysDb } from '../../db/keys-db/keys-db.ts';
import type { Pool } from '../../db/redis/pool.ts';
import { FencedError, isContradiction } from '../../db/store-errors.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { KeymillError } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { Bell } from '../bell.ts';
import type { ProducerMetrics } from '../metrics.ts';
import type { PoolLevels } from '../pools/levels.ts';
import { deliverInOrder } from './deliver-in-order.ts';
import { keepGenerated } from './generator.ts';
import { keepMarks } from './keep-marks.ts';
import { raiseOwnEpoch } from './ownership.ts';
import { reconcile, type Reconciled } from './reconcile.ts';
import { RecycleQueue } from './recycle-queue.ts';
import { Recycler, type RecycleResult } from './recycle.ts';
import { refill } from './refill.ts';
import { repeatUntilDone } from './repeat.ts';
import { Stock, type StockLimits } from './stock.ts';

export interface ReignOptions {
  readonly shard: string;
  /** Id of this producer. */
  readonly owner: string;
  readonly ensemble: string;
  readonly lock: HeldLock;
  readonly keysDb: KeysDb;
  readonly pools: readonly Pool[];
  readonly levels: PoolLevels;
  readonly batchSize: number;
  readonly generation: StockLimits;
  /** Where else a key can be, for the search for leaked keys. */
  readonly surroundings: Pick<SuspectSearchOptions, 'urlsDbs' | 'keyspace' | 'quarantineMs' | 'reserves'>;
  /**
   * Called after every search for leaked keys, with the stores and mappers that stopped it and why; empty
   * when all were searched.
   */
  readonly onSearched?: (blockedBy: ReadonlyMap<string, string>) => void;
  readonly metrics: ProducerMetrics;
  readonly log: Log;
}

interface RecyclerParts {
  readonly epoch: number;
  readonly watch: UrlsWatch;
  readonly queue: RecycleQueue;
  readonly signal: AbortSignal;
}

/**
 * Why a reign is over: it was released; its lock is gone; a store has recorded a later reign; the keys-db
 * refused it; or the program failed.
 */
export type ReignEnd = 'released' | 'lock-gone' | 'fenced' | 'refused' | 'failed';

/** Replaying the parts of earlier reigns delays `ready` by this much; the rest is delivered afterwards. */
const REPLAY_TIMEOUT_MS = 500;
/** A release may spend this long on deliveries in flight; the successor replays the rest. */
const FINISH_MS = 200;
/** This long after {@link FINISH_MS}, the reign is over even if a store hangs. */
const GRACE_MS = 50;

/**
 * One reign over one keys-db shard, from the lock to its loss. A state machine:
 *
 * - **owning**. Raises the epoch in the keys-db. Invariant: no other store is written. Exits: the epoch is
 *   granted → reconciling; the keys-db refuses (a later lock was there first, another ensemble, other keys) →
 *   over.
 * - **reconciling**. Raises the epoch in every pool that answers, and replays claimed parts of earlier
 *   reigns. Invariant: nothing new is claimed, so parts keep the numbers and pools that were recorded. Exits:
 *   replayed, or 500 ms have passed → ready; released → over.
 * - **ready**. Claims, delivers, marks, generates and recycles. Entered once. Invariant: every claim of this
 *   reign is in hand, or is adopted before the next claim. Exits: released → stopping.
 * - **stopping**. Claims, generates and recycles no more; finishes deliveries. Exits: all that healthy pools
 *   can take is delivered and marked, or 250 ms have passed → over.
 * - **over**. `done` is resolved. Invariant: nothing new is started; a call still in flight is refused by its
 *   store, or harmless. A successor replays what is claimed and not marked.
 *
 * From every state to over: the lock is gone; a store has recorded a later reign; the program fails.
 */
export class Reign {
  readonly shard: string;
  /** Never rejects. The reign does not release its lock: the caller decides how. */
  readonly done: Promise<ReignEnd>;
  readonly #options: ReignOptions;
  readonly #stopping = new AbortController();
  readonly #over = new AbortController();
  readonly #end = Promise.withResolvers<ReignEnd>();
  readonly #startedMs = monotonicMs();
  #epoch: number | undefined;
  #wasReady = false;
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

  /** Whether it is ready or stopping: reconciled and able to deliver. */
  get isReady(): boolean {
    return this.#wasReady && !this.#over.signal.aborted;
  }

  /** Whether the reign has been ready, however it ended. */
  get wasReady(): boolean {
    return this.#wasReady;
  }

  /** The ensemble that gave its lock. */
  get ensemble(): string {
    return this.#options.ensemble;
  }

  /**
   * Searches for leaked keys now, and claims those again that are out of quarantine.
   * @throws KeymillError before the reign is ready
   */
  async recycle(): Promise<RecycleResult> {
    if (!this.#recycler) throw new KeymillError('NOT_READY', `${this.shard} is not reconciled yet`);
    return this.#recycler.recycle();
  }

  /** Claims no more, finishes deliveries for a bounded time, and ends the reign. Returns when it is over. */
  async release(): Promise<ReignEnd> {
    this.#stopping.abort();
    if (!this.#wasReady) this.#finish('released');
    // The successor replays what is claimed by then.
    setTimeout(() => this.#finish('released'), FINISH_MS + GRACE_MS).unref();
    return this.done;
  }

  async #run(): Promise<void> {
    const over = this.#over.signal;
    const { lock: gate, log, metrics, shard } = this.#options;
    const epoch = await raiseOwnEpoch({ ...this.#options, gate }, over);
    if (over.aborted) return;
    if (epoch === undefined) return this.#finish('refused');
    this.#epoch = epoch;
    void this.#showEpoch(epoch);
    metrics.epoch.set({ keys_db: shard }, epoch);

    const reconciled = await reconcile({ ...this.#options, epoch, gate }, over);
    if (over.aborted) return;
    const { queues, delivery } = reconciled;
    const { refused } = this.#options.levels;
    for (const queue of queues.values())
      this.#watch(deliverInOrder({ queue, delivery, gate, shard, refused, log }, over));
    this.#watch(delivery.run(over));
    await delivery.finish(AbortSignal.any([over, AbortSignal.timeout(REPLAY_TIMEOUT_MS)]));
    if (over.aborted) return;
    this.#becomeReady(epoch);
    await this.#produce(epoch, reconciled);
  }

  /** Lets `loop` run in the background, and ends the reign when it fails. */
  #watch(loop: Promise<void>): void {
    loop.catch((error: unknown) => this.#fail(error));
  }

  /** Writes the epoch into the lock's data, for operators. Nothing waits for it. */
  async #showEpoch(epoch: number): Promise<void> {
    const { shard, lock, log } = this.#options;
    const what = `showing the epoch of ${shard}`;
    await repeatUntilDone({ what, gate: lock, log }, this.#over.signal, () => lock.publishEpoch(epoch));
  }

  #becomeReady(epoch: number): void {
    const { log, metrics, shard } = this.#options;
    this.#wasReady = true;
    metrics.lockHeld.set({ keys_db: shard }, 1);
    metrics.takeovers.inc();
    const tookMs = monotonicMs() - this.#startedMs;
    metrics.takeoverSeconds.observe(tookMs / 1000);
    log.info({ epoch, tookMs: Math.round(tookMs) }, 'reign ready: reconciled, delivering');
  }

  /** Generates, refills and recycles until released; then finishes deliveries. */
  async #produce(epoch: number, { queues, delivery }: Reconciled): Promise<void> {
    const { keysDb, levels, lock: gate, batchSize, generation, metrics, log, shard } = this.#options;
    const over = this.#over.signal;
    const stopping = AbortSignal.any([over, this.#stopping.signal]);
    const exhausted = new Bell();
    const needed = new Bell();
    const recycling = new RecycleQueue(needed);
    const stock = new Stock(generation);
    const onUnused = (unused: number): void => metrics.keysUnused.set({ keys_db: shard }, unused);
    this.#watch(keepGenerated({ keysDb, epoch, gate, stock, log, exhausted, onUnused }, stopping));
    const watch = this.#createWatch(epoch);
    this.#watch(keepMarks({ watch, gate, log }, over));
    this.#recycler = this.#createRecycler({ epoch, watch, queue: recycling, signal: stopping });
    void this.#recycler.run();
    await refill(
      { keysDb, epoch, queues, delivery, levels, gate, stock, batchSize, log, needed, exhausted, recycling },
      stopping,
      over,
    );
    await delivery.finish(AbortSignal.any([over, AbortSignal.timeout(FINISH_MS)]));
    this.#finish('released');
  }

  #createWatch(epoch: number): UrlsWatch {
    const { shard, keysDb, surroundings, metrics, log } = this.#options;
    const { urlsDbs } = surroundings;
    return new UrlsWatch({
      keysDb,
      epoch,
      urlsDbs,
      log,
      onChange: (urlsDb, kind) => metrics.urlsChanges.inc({ urls_db: urlsDb, kind }),
      onAlarms: (names) => {
        if (this.#over.signal.aborted) return;
        for (const { name } of urlsDbs)
          metrics.urlsGoneBack.set({ keys_db: shard, urls_db: name }, names.has(name) ? 1 : 0);
      },
    });
  }

  #createRecycler({ epoch, watch, queue, signal }: RecyclerParts): Recycler {
    const { shard, keysDb, pools, surroundings, onSearched, metrics, log } = this.#options;
    const onLinksGone = (links: number): void => metrics.linksGone.inc(links);
    const search = new SuspectSearch({ keysDb, epoch, watch, pools, ...surroundings, onLinksGone, log });
    const onRecycled = (keys: number): void => metrics.keysRecycled.inc(keys);
    return new Recycler({ shard, search, queue, log, onRecycled, onSearched, signal });
  }

  #fail(error: unknown): void {
    if (this.#over.signal.aborted) return;
    const { log } = this.#options;
    if (error instanceof FencedError) {
      log.warn({ error }, 'fenced: the reign is over');
      this.#finish('fenced');
    } else if (isContradiction(error)) {
      log.error({ error }, 'the keys-db refuses this reign');
      this.#finish('refused');
    } else {
      log.error({ error }, 'reign failed');
      this.#finish('failed');
    }
  }

  #finish(end: ReignEnd): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    const { levels, metrics, surroundings } = this.#options;
    levels.refused.forget(this.shard);
    metrics.lockHeld.set({ keys_db: this.shard }, 0);
    // The next holder shows the alarms of this keys-db.
    for (const { name } of surroundings.urlsDbs)
      metrics.urlsGoneBack.set({ keys_db: this.shard, urls_db: name }, 0);
    this.#options.log.info({ end, epoch: this.#epoch }, 'reign over');
    this.#end.resolve(end);
  }
}
