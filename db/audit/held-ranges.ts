interface HeldRange {
  /** The mapper that holds the keys of these ids. */
  readonly spot: string;
  readonly first: number;
  readonly last: number;
}

/** The ids of one region that mappers hold. Each issued key is looked for here, so that must be quick. */
export class HeldRanges {
  #ranges: HeldRange[] = [];
  /** The highest end of all ranges up to each one, ordered by their beginnings. Undefined: to be made. */
  #ends: number[] | undefined;

  add(range: HeldRange): void {
    this.#ranges.push(range);
    this.#ends = undefined;
  }

  /** The range that begins last of those that hold an id, and whether others hold it too. */
  find(id: number): { readonly spot: string; readonly isRepeated: boolean } | undefined {
    const ends = (this.#ends ??= this.#sort());
    let holder: HeldRange | undefined;
    for (let at = this.#countBegunBy(id) - 1; at >= 0 && (ends[at] ?? 0) >= id; at -= 1) {
      const range = this.#ranges[at];
      if (range === undefined || range.last < id) continue;
      if (holder !== undefined) return { spot: holder.spot, isRepeated: true };
      holder = range;
    }
    return holder && { spot: holder.spot, isRepeated: false };
  }

  #sort(): number[] {
    this.#ranges.sort((a, b) => a.first - b.first);
    let highest = 0;
    return this.#ranges.map(({ last }) => (highest = Math.max(highest, last)));
  }

  /** How many ranges begin at this id or before it. */
  #countBegunBy(id: number): number {
    let low = 0;
    for (let high = this.#ranges.length; low < high;) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle]?.first ?? 0) <= id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
