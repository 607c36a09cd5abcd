/** One time series of a {@link Tally}: a plain number, read at a scrape. */
export interface Series {
  count: number;
}

/**
 * A counter for events of every request. The caller looks up its series once; then counting is one addition.
 * (A labelled `inc` of prom-client costs about as much as finding a link in memory.)
 */
export class Tally<L extends string> {
  readonly #series = new Map<string, { readonly labels: Record<L, string>; readonly series: Series }>();

  /** The series of these labels, the same object each time. */
  series(labels: Record<L, string>): Series {
    const id = JSON.stringify(labels);
    const known = this.#series.get(id);
    if (known !== undefined) return known.series;
    const series = { count: 0 };
    this.#series.set(id, { labels, series });
    return series;
  }

  /** Calls `report` for every series above 0. */
  forEach(report: (labels: Record<L, string>, count: number) => void): void {
    for (const { labels, series } of this.#series.values())
      if (series.count > 0) report(labels, series.count);
  }
}

/** A histogram without labels. An observation costs a few comparisons and two additions. */
export class Distribution {
  readonly bounds: readonly number[];
  /**
   * The number of observations at or below each bound and above the previous one. The last entry counts those
   * above all bounds.
   */
  readonly #counts: Float64Array;
  #sum = 0;

  /** @param bounds ascending */
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds } = this;
    let at = 0;
    while (at < bounds.length && value > (bounds[at] as number)) at += 1;
    this.#counts[at] = (this.#counts[at] as number) + 1;
    this.#sum += value;
  }

  get sum(): number {
    return this.#sum;
  }

  /** The number of observations at or below each bound; the last entry is the total. */
  cumulated(): number[] {
    let total = 0;
    return Array.from(this.#counts, (count) => (total += count));
  }
}
