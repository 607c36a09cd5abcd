import type { LinkClicks, ValueClicks } from '../../db/clicks/click-flush.ts';
import { flat } from '../../runtime/flat-text.ts';
import { MAX_VALUES, OTHER_VALUES } from '../../db/clicks/dimensions.ts';
import { Sketch } from '../../db/clicks/sketch.ts';
import { dayOf } from '../../db/clicks/sql-times.ts';
import {
  CLICK_DIMENSIONS,
  isKnown,
  labelOf,
  readLabel,
  type Label,
  type Resolved,
} from './resolved-click.ts';

interface Counted {
  readonly label: Label;
  humans: number;
  bots: number;
}

/** With more labels, a table finds one faster than a look at each. */
const MAX_UNINDEXED = 16;

/** By the number of the dimension, as it stands in a label. */
const OTHERS: ReadonlyMap<string, Label> = new Map(
  CLICK_DIMENSIONS.map((dimension) => labelOf(dimension, OTHER_VALUES)).map((label) => [
    label.charAt(0),
    label,
  ]),
);

/**
 * Clicks of one link in one hour, and the values that it has had on the day of this hour. Stays in memory
 * when its counts are taken: so at most {@link MAX_VALUES} values of a day and dimension are told apart,
 * however often the counts are stored.
 */
export class LinkCounts {
  readonly key: string;
  /** Full hours since 1970 in UTC. */
  #hour: number;
  #humans = 0;
  #bots = 0;
  #values: Counted[] = [];
  #index: ValueIndex | undefined;
  #sketch: Sketch | undefined;

  #isListed = false;
  #round = 0;

  constructor(key: string, hour: number) {
    this.key = key;
    this.#hour = hour;
  }

  /** Whether it is in the list of those with clicks. */
  get isListed(): boolean {
    return this.#isListed;
  }

  /** In which round it was last listed. */
  get round(): number {
    return this.#round;
  }

  list(round: number): void {
    this.#isListed = true;
    this.#round = round;
  }

  unlist(): void {
    this.#isListed = false;
  }

  get hour(): number {
    return this.#hour;
  }

  /** Whether no click waits to be taken. */
  get isEmpty(): boolean {
    return this.#humans === 0 && this.#bots === 0;
  }

  /** How many values it remembers. */
  get size(): number {
    return this.#values.length;
  }

  /** Only when it is empty. */
  turnTo(hour: number): void {
    if (dayOf(hour) !== dayOf(this.#hour)) {
      this.#values = [];
      this.#index = undefined;
    }
    this.#hour = hour;
  }

  /** @param mayGrow whether it may remember further values */
  count({ isBot, labels, visitor }: Resolved, mayGrow: boolean): void {
    if (isBot) this.#bots += 1;
    else this.#humans += 1;
    for (const label of labels) {
      if (!isKnown(label)) continue;
      const counted = this.#find(label) ?? this.#begin(label, mayGrow);
      if (isBot) counted.bots += 1;
      else counted.humans += 1;
    }
    if (visitor !== undefined) (this.#sketch ??= new Sketch()).add(visitor.high, visitor.low);
  }

  /** A click whose headers nobody has looked at: that of a person. */
  countUnresolved(): void {
    this.#humans += 1;
  }

  /** Takes what was counted since the last call. */
  take(): LinkClicks {
    const [hour, day] = [this.#hour, dayOf(this.#hour)];
    const values: ValueClicks[] = [];
    for (const counted of this.#values) {
      const { humans, bots } = counted;
      if (humans === 0 && bots === 0) continue;
      const { dimension, value } = readLabel(counted.label);
      values.push({ day, dimension, value, humans, bots });
      counted.humans = 0;
      counted.bots = 0;
    }
    const clicks: LinkClicks = {
      key: this.key,
      hours: [{ hour, humans: this.#humans, bots: this.#bots }],
      values,
      visitors: this.#sketch === undefined ? [] : [{ day, sketch: this.#sketch }],
    };
    this.#humans = 0;
    this.#bots = 0;
    this.#sketch = undefined;
    return clicks;
  }

  #find(label: Label): Counted | undefined {
    if (this.#index !== undefined) return this.#index.find(label);
    for (const counted of this.#values) if (counted.label === label) return counted;
    return undefined;
  }

  #begin(label: Label, mayGrow: boolean): Counted {
    if (mayGrow && (this.#index === undefined || this.#index.sizeOf(label) < MAX_VALUES))
      return this.#add(label);
    const other = OTHERS.get(label.charAt(0)) as Label;
    return this.#find(other) ?? this.#add(other);
  }

  #add(label: Label): Counted {
    const counted = { label: flat(label), humans: 0, bots: 0 };
    this.#values.push(counted);
    if (this.#index !== undefined) this.#index.add(counted);
    else if (this.#values.length > MAX_UNINDEXED) this.#index = new ValueIndex(this.#values);
    return counted;
  }
}

/** Finds a label among many, and knows how many there are of each dimension. */
class ValueIndex {
  readonly #values = new Map<Label, Counted>();
  /** By the number of the dimension, as it stands in the label. */
  readonly #sizes = new Map<string, number>();

  constructor(values: readonly Counted[]) {
    for (const counted of values) this.add(counted);
  }

  find(label: Label): Counted | undefined {
    return this.#values.get(label);
  }

  add(counted: Counted): void {
    this.#values.set(counted.label, counted);
    this.#sizes.set(counted.label.charAt(0), this.sizeOf(counted.label) + 1);
  }

  /** How many values there are of the dimension of this label. */
  sizeOf(label: Label): number {
    return this.#sizes.get(label.charAt(0)) ?? 0;
  }
}
