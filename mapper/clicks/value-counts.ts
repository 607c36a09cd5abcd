import { DIMENSIONS, MAX_VALUES, OTHER_VALUES } from '../../db/clicks/dimensions.ts';
import type { Counts } from '../../db/clicks/click-flush.ts';
import { flat } from '../../runtime/flat-text.ts';
import type { HeldValues } from './held-values.ts';
import { CLICK_DIMENSIONS, isSame, labelOf, type ClickDimension, type Label } from './resolved-click.ts';

/** The first ones are those of most clicks. To look at each of them is faster than a table. */
const MAX_UNINDEXED = 16;

const OTHERS: ReadonlyMap<ClickDimension, Label> = new Map(
  CLICK_DIMENSIONS.map((dimension) => [dimension, labelOf(dimension, OTHER_VALUES)]),
);

/**
 * Clicks of one link by value. What is looked at for each click stands in arrays of numbers: of a hundred
 * thousand values, hardly one is in the processor's cache, so that each object on the way to a count would
 * cost as much as all the rest.
 */
export class ValueCounts {
  readonly #held: HeldValues;
  readonly #labels: Label[] = [];
  readonly #hashes: number[] = [];
  /** Humans and bots of each label. */
  readonly #counts: number[] = [];
  /** Places of labels, by their hash or the next number that is free. Not of the first ones. */
  #places: Map<number, number> | undefined;
  /** How many labels there are, by the number of their dimension. */
  readonly #sizes: number[] = [];

  constructor(held: HeldValues) {
    this.#held = held;
  }

  /** It is not used any more. */
  forget(): void {
    this.#held.add(-this.#labels.length);
  }

  /** Counts a click with this value, or as one of the others if there are {@link MAX_VALUES}. */
  count(label: Label, isBot: boolean): void {
    let place = this.#find(label);
    if (place < 0) place = this.#begin(label);
    const at = 2 * place + (isBot ? 1 : 0);
    this.#counts[at] = (this.#counts[at] as number) + 1;
  }

  /** Takes what was counted since the last call. The labels are remembered. */
  take<T>(toRow: (label: Label, counts: Counts) => T): T[] {
    const rows: T[] = [];
    const counts = this.#counts;
    for (const [place, label] of this.#labels.entries()) {
      const [humans, bots] = [counts[2 * place] as number, counts[2 * place + 1] as number];
      if (humans === 0 && bots === 0) continue;
      rows.push(toRow(label, { humans, bots }));
      counts[2 * place] = 0;
      counts[2 * place + 1] = 0;
    }
    return rows;
  }

  /** Negative: it has no place. */
  #find(label: Label): number {
    const labels = this.#labels;
    const first = Math.min(labels.length, MAX_UNINDEXED);
    // What comes often is mostly the same label, and each of several links has a pointer to it.
    if (!label.isView)
      for (let place = 0; place < first; place += 1) if (labels[place] === label) return place;
    const hashes = this.#hashes;
    for (let place = 0; place < first; place += 1)
      if (hashes[place] === label.hash && isSame(labels[place] as Label, label)) return place;
    if (this.#places === undefined) return -1;
    for (let { hash } = label; ; hash += 1) {
      const place = this.#places.get(hash);
      if (place === undefined) return -1;
      if (isSame(labels[place] as Label, label)) return place;
    }
  }

  #begin(label: Label): number {
    if (this.#held.mayGrow && this.#sizeOf(label) < MAX_VALUES) return this.#add(label);
    const other = OTHERS.get(label.dimension) as Label;
    const place = this.#find(other);
    return place < 0 ? this.#add(other) : place;
  }

  #add(label: Label): number {
    const own = label.isView ? labelOf(label.dimension, flat(label.value)) : label;
    const place = this.#labels.push(own) - 1;
    this.#hashes.push(label.hash);
    this.#counts.push(0, 0);
    this.#held.add(1);
    this.#sizes[DIMENSIONS[label.dimension]] = this.#sizeOf(label) + 1;
    if (place >= MAX_UNINDEXED) {
      const places = (this.#places ??= new Map());
      let { hash } = label;
      while (places.has(hash)) hash += 1;
      places.set(hash, place);
    }
    return place;
  }

  #sizeOf({ dimension }: Label): number {
    return this.#sizes[DIMENSIONS[dimension]] ?? 0;
  }
}
