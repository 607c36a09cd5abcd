export interface BatcherOptions<T> {
  readonly maxBatch: number;
  readonly maxInFlight: number;
  readonly maxQueued: number;
  /** Does the work of a batch and tells each item's owner; must not throw. Calls `returned` once, as soon as the lane is free for the next. */
  readonly run: (items: T[], returned: () => void) => void;
  /** An item that finds nothing under way leaves at once, by itself, and gathers no company (default false). */
  readonly isEager?: boolean;
}

/**
 * How many turns of the event loop pass before a batch leaves. Who was answered just now asks again, and is read in the turn after the
 * next: with two, batches are half as large again as without, and cost the store and us that much less. A turn takes no time when idle.
 */
const GATHERING_TURNS = 2;

/**
 * Natural batching: an item that finds a free lane leaves at once; while all lanes are busy items gather, and leave together when one returns.
 * No delay when idle, and under load the batches grow exactly as large as the store is slow.
 */
export class Batcher<T> {
  readonly #options: BatcherOptions<T>;
  #queue: T[] = [];
  #inFlight = 0;
  #isScheduled = false;
  #whenIdle: (() => void)[] = [];

  constructor(options: BatcherOptions<T>) {
    this.#options = options;
  }

  get queued(): number {
    return this.#queue.length;
  }

  /** Whether whoever comes now goes with a batch that is about to leave. */
  get isGathering(): boolean {
    return this.#isScheduled && this.#queue.length < this.#options.maxBatch;
  }

  /** Whether nothing is queued nor in flight. */
  get isIdle(): boolean {
    return this.#inFlight === 0 && this.#queue.length === 0;
  }

  get isFull(): boolean {
    return this.#queue.length >= this.#options.maxQueued;
  }

  /** Takes the item, or says false when the queue is full. */
  tryAdd(item: T): boolean {
    if (this.isFull) return false;
    this.#queue.push(item);
    if (this.#options.isEager === true && this.#inFlight === 0 && !this.#isScheduled) this.#dispatch();
    else this.#schedule();
    return true;
  }

  /** Takes back every item that has not left yet. */
  removeQueued(): T[] {
    const removed = this.#queue.splice(0);
    this.#tellIdle();
    return removed;
  }

  /** Resolves when nothing is queued nor in flight. */
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
      run(this.#take(maxBatch), this.#returned);
    }
  }

  #take(most: number): T[] {
    if (this.#queue.length > most) return this.#queue.splice(0, most);
    const all = this.#queue;
    this.#queue = [];
    return all;
  }

  readonly #returned = (): void => {
    this.#inFlight -= 1;
    if (this.#queue.length > 0) this.#schedule();
    this.#tellIdle();
  };

  #tellIdle(): void {
    if (!this.isIdle) return;
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }
}
