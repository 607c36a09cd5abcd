export interface BatcherOptions<T> {
  readonly maxBatch: number;
  readonly maxInFlight: number;
  readonly maxQueued: number;
  /** Does the work of a batch and tells each item's owner; must not reject. */
  readonly run: (items: T[]) => Promise<void>;
}

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

  get isFull(): boolean {
    return this.#queue.length >= this.#options.maxQueued;
  }

  /** Takes the item, or says false when the queue is full. */
  tryAdd(item: T): boolean {
    if (this.isFull) return false;
    this.#queue.push(item);
    this.#schedule();
    return true;
  }

  /** Takes back every item that has not left yet. */
  removeQueued(): T[] {
    return this.#queue.splice(0);
  }

  /** Resolves when nothing is queued nor in flight. */
  async idle(): Promise<void> {
    if (this.#inFlight === 0 && this.#queue.length === 0) return;
    await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  /** Requests that arrived in the same turn of the event loop leave in one batch. */
  #schedule(): void {
    if (this.#isScheduled || this.#inFlight >= this.#options.maxInFlight) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    while (this.#queue.length > 0 && this.#inFlight < this.#options.maxInFlight) {
      this.#inFlight += 1;
      const batch = this.#queue.splice(0, this.#options.maxBatch);
      void this.#options.run(batch).finally(() => this.#returned());
    }
  }

  #returned(): void {
    this.#inFlight -= 1;
    this.#dispatch();
    if (this.#inFlight > 0 || this.#queue.length > 0) return;
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }
}
