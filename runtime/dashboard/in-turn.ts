/**
 * Many things of which some are read in each round, so that a cluster of any size costs the same: a round
 * reads all that were never read, and `most` of the others, those that were read the longest ago.
 */
export class InTurn {
  readonly #most: number;
  /** The one that was read the longest ago comes first. */
  readonly #read = new Set<string>();

  constructor(most: number) {
    this.#most = most;
  }

  /** @returns those of `ids` whose turn it is. What is not among them is forgotten */
  next(ids: readonly string[]): ReadonlySet<string> {
    for (const id of this.#read) if (!ids.includes(id)) this.#read.delete(id);
    const due = [...this.#read].slice(0, this.#most);
    const chosen = new Set([...ids.filter((id) => !this.#read.has(id)), ...due]);
    for (const id of chosen) {
      this.#read.delete(id);
      this.#read.add(id);
    }
    return chosen;
  }
}
