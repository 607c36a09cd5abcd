/** How many unused keys a holder keeps. */
export interface StockLimits {
  /** Below it, it generates at full speed. */
  readonly low: number;
  /** So many at a time then; and so many beyond `low` are made little by little. */
  readonly count: number;
}

/** The unused keys of a keys-db as they were last read, less what has been claimed since. */
export class Stock {
  readonly limits: StockLimits;
  #unused = 0;

  constructor(limits: StockLimits) {
    this.limits = limits;
  }

  get unused(): number {
    return this.#unused;
  }

  /** What can be claimed without any hurry to make more. */
  get spare(): number {
    return Math.max(0, this.#unused - this.limits.low);
  }

  read(unused: number): void {
    this.#unused = unused;
  }

  claimed(keys: number): void {
    this.#unused -= keys;
  }
}
