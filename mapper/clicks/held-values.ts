/** How many values all links remember together: a bounded number. */
export class HeldValues {
  readonly #max: number;
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Whether a link may remember a further one. */
  get mayGrow(): boolean {
    return this.#count < this.#max;
  }

  /** So many that links must forget theirs, to leave room for others. */
  get isTooMany(): boolean {
    return this.#count > this.#max / 2;
  }

  /** @param more negative: so many were forgotten */
  add(more: number): void {
    this.#count += more;
  }
}
