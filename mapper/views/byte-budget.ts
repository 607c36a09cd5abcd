/** So many bytes of memory may be in use at a time, for one purpose. */
export class ByteBudget {
  readonly #most: number;
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get taken(): number {
    return this.#taken;
  }

  /** @returns gives them back, once; undefined: there are not so many left */
  tryTake(bytes: number): (() => void) | undefined {
    if (this.#taken + bytes > this.#most) return undefined;
    this.#taken += bytes;
    let isTaken = true;
    return () => {
      if (isTaken) this.#taken -= bytes;
      isTaken = false;
    };
  }
}
