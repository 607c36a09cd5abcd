export interface AckedLink {
  readonly n: number;
  readonly key: string;
}

/** The target of link `n` of one drill. No other link has it. */
export function targetOf(runId: string, n: number): string {
  return `https://example.com/drill/${runId}/${n}`;
}

/** The newest acknowledged links, and a random sample of all. Memory stays bounded. */
export class LinkSample {
  readonly #capacity: number;
  readonly #random: () => number;
  readonly #recent: AckedLink[] = [];
  readonly #sample: AckedLink[] = [];
  #seen = 0;

  constructor(capacity: number, random: () => number) {
    this.#capacity = capacity;
    this.#random = random;
  }

  add(link: AckedLink): void {
    this.#recent[this.#seen % this.#capacity] = link;
    this.#seen += 1;
    // Vitter's algorithm R: every link is in the sample with the same probability.
    if (this.#sample.length < this.#capacity) this.#sample.push(link);
    else {
      const at = Math.floor(this.#random() * this.#seen);
      if (at < this.#capacity) this.#sample[at] = link;
    }
  }

  /** One of the newest links or one of the sample, equally often. Undefined before the first link. */
  pick(): AckedLink | undefined {
    const from = this.#random() < 0.5 ? this.#recent : this.#sample;
    return from[Math.floor(this.#random() * from.length)];
  }
}
