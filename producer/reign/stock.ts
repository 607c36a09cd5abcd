/** How many unused keys a holder keeps. */
export interface StockLimits {
  /** With fewer unused keys, it generates at full speed. */
  readonly low: number;
  /** Keys per step at full speed. Also how many more than `low` it generates, in small steps. */
  readonly count: number;
}

/** About how many unused keys a keys-db has: the number last read, minus the keys claimed since. */
export class Stock {
  readonly limits: StockLimits;
  #unused = 0;

  constructor(limits: StockLimits) {
    this.limits = limits;
  }

  get unused(): number {
    return this.#unused;
  }

  /** Keys above the low mark: claiming them makes no generation urgent. */
  get spare(): number {
    return Math.max(0, this.#unused - this.limits.low);
  }

  /** Records the number that was read from the keys-db. */
  observe(unused: number): void {
    this.#unused = unused;
  }

  claimed(keys: number): void {
    this.#unused -= keys;
  }
}
