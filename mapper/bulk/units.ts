/** A right to work. It is given back once. */
export type Release = () => void;

interface Waiter {
  readonly count: number;
  readonly begin: () => void;
}

/** Shares a number of units between pieces of work, in the order in which they ask. */
export class Units {
  #free: number;
  readonly #all: number;
  readonly #waiting: Waiter[] = [];

  constructor(count: number) {
    this.#all = count;
    this.#free = count;
  }

  /** Waits until so many units are free, at most all of them. */
  async take(wanted: number): Promise<Release> {
    const count = Math.min(wanted, this.#all);
    if (this.#waiting.length > 0 || this.#free < count)
      await new Promise<void>((begin) => this.#waiting.push({ count, begin }));
    else this.#free -= count;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#free += count;
      this.#passOn();
    };
  }

  #passOn(): void {
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined || next.count > this.#free) return;
      this.#waiting.shift();
      this.#free -= next.count;
      next.begin();
    }
  }
}
