export interface BatcherOptions<T> {
  readonly maxBatch: number;
  readonly maxInFlight: number;
  readonly maxQueued: number;
  /**
   * Does the work of a batch and reports to each item's owner; must not throw. Calls `returned` once, when it
   * is over.
   */
  readonly run: (items: T[], returned: () => void) => void;
  /** What an item adds to its batch, which then has `maxWeight` at most (default: batches have no weight). */
  readonly weigh?: (item: T) => number;
  readonly maxWeight?: number;
  /** How many of so many items leave together, at least one (default: all). The others leave next. */
  readonly fit?: (count: number) => number;
  /**
   * An item that is added while nothing is in flight leaves immediately and alone, unless the last batch had
   * several items (default false).
   */
  readonly isEager?: boolean;
}

/**
 * How many turns of the event loop pass before a batch leaves. A client that has just been answered sends its
 * next request, which we read two turns later. So two turns make the batches 1.5 times as large, which costs
 * the store and this process less. A turn takes no time when the process is idle.
 */
const GATHERING_TURNS = 2;

/**
 * Natural batching: an item leaves immediately unless `maxInFlight` batches are in flight. Then items gather,
 * and leave together when one of these batches returns. So there is no delay when idle, and under load
 * batches grow as the store gets slower.
 */
export class Batcher<T> {
  readonly #options: BatcherOptions<T>;
  #queue: T[] = [];
  #inFlight = 0;
  #isScheduled = false;
  /** How many items the last batch had. */
  #lastCount = 0;
  #whenIdle: (() => void)[] = [];

  constructor(options: BatcherOptions<T>) {
    this.#options = options;
  }

  /** Whether an item added now would leave with a batch that is being gathered. */
  get isGathering(): boolean {
    return this.#isScheduled && this.#queue.length < this.#options.maxBatch;
  }

  /** Whether nothing is queued or in flight. */
  get isIdle(): boolean {
    return this.#inFlight === 0 && this.#queue.length === 0;
  }

  get isFull(): boolean {
    return this.#queue.length >= this.#options.maxQueued;
  }

  /** @returns false when the queue is full; the item is not added then */
  tryAdd(item: T): boolean {
    if (this.isFull) return false;
    this.#queue.push(item);
    if (this.#mayLeaveAlone()) this.#dispatch();
    else this.#schedule();
    return true;
  }

  /**
   * Where items come together, one that leaves alone costs the store nearly as much as the batch behind it.
   * So it gathers others then, which takes no time when the process is idle.
   */
  #mayLeaveAlone(): boolean {
    const { isEager = false } = this.#options;
    return isEager && this.#inFlight === 0 && !this.#isScheduled && this.#lastCount <= 1;
  }

  /** Removes and returns every item that has not left. */
  removeQueued(): T[] {
    const removed = this.#queue.splice(0);
    this.#resolveIdle();
    return removed;
  }

  /** Resolves when nothing is queued or in flight. */
  async idle(): Promise<void> {
    if (this.isIdle) return;
    await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  #schedule(): void {
    if (this.#isScheduled || this.#inFlight >= this.#options.maxInFlight) return;
    this.#isScheduled = true;
    this.#gather(GATHERING_TURNS);
  }

  #gather(turns: number): void {
    if (turns > 0) {
      setImmediate(() => this.#gather(turns - 1));
      return;
    }
    this.#isScheduled = false;
    this.#dispatch();
  }

  #dispatch(): void {
    const { maxBatch, maxInFlight, run } = this.#options;
    while (this.#queue.length > 0 && this.#inFlight < maxInFlight) {
      this.#inFlight += 1;
      const items = this.#take(maxBatch);
      this.#lastCount = items.length;
      run(items, this.#returned);
    }
  }

  #take(maxBatch: number): T[] {
    const { fit } = this.#options;
    const within = this.#countWithinWeight(maxBatch);
    const most = fit === undefined ? within : fit(Math.min(within, this.#queue.length));
    if (this.#queue.length > most) return this.#queue.splice(0, most);
    const all = this.#queue;
    this.#queue = [];
    return all;
  }

  /** How many of the items that wait fit into one batch: one at least. */
  #countWithinWeight(maxBatch: number): number {
    const { weigh, maxWeight = Number.POSITIVE_INFINITY } = this.#options;
    if (weigh === undefined) return maxBatch;
    let weight = 0;
    let count = 0;
    for (const item of this.#queue) {
      weight += weigh(item);
      if (count > 0 && (count === maxBatch || weight > maxWeight)) return count;
      count += 1;
    }
    return count;
  }

  readonly #returned = (): void => {
    this.#inFlight -= 1;
    if (this.#queue.length > 0) this.#schedule();
    this.#resolveIdle();
  };

  #resolveIdle(): void {
    if (!this.isIdle) return;
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }
}
