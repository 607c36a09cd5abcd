import type { LinkClicks } from '../../db/clicks/click-flush.ts';
import { Sketch } from '../../db/clicks/sketch.ts';
import { dayOf } from '../../db/clicks/sql-times.ts';
import type { HeldValues } from './held-values.ts';
import { isKnown, type Resolved } from './resolved-click.ts';
import { ValueCounts } from './value-counts.ts';

/**
 * Clicks of one link in one hour, and the values that it has had on the day of this hour. Stays in memory
 * when its counts are taken: so at most `MAX_VALUES` values of a day and dimension are told apart, however
 * often the counts are stored. Only where all links have too many values, it forgets its own.
 */
export class LinkCounts {
  readonly key: string;
  readonly #held: HeldValues;
  /** Full hours since 1970 in UTC. */
  #hour: number;
  #humans = 0;
  #bots = 0;
  /** Undefined: nothing is known of its clicks. */
  #values: ValueCounts | undefined;
  #sketch: Sketch | undefined;

  #isListed = false;
  #round = 0;

  constructor(key: string, hour: number, held: HeldValues) {
    this.key = key;
    this.#hour = hour;
    this.#held = held;
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

  /** Only when it is empty. */
  turnTo(hour: number): void {
    if (dayOf(hour) !== dayOf(this.#hour)) this.forgetValues();
    this.#hour = hour;
  }

  /** Only when it is empty. */
  forgetValues(): void {
    this.#values?.forget();
    this.#values = undefined;
  }

  count({ isBot, labels, visitor }: Resolved): void {
    if (isBot) this.#bots += 1;
    else this.#humans += 1;
    for (const label of labels)
      if (isKnown(label)) (this.#values ??= new ValueCounts(this.#held)).count(label, isBot);
    if (visitor !== undefined) (this.#sketch ??= new Sketch()).add(visitor.high, visitor.low);
  }

  /** A click whose headers nobody has looked at: that of a person. */
  countUnresolved(): void {
    this.#humans += 1;
  }

  /** Takes what was counted since the last call. */
  take(): LinkClicks {
    const [hour, day] = [this.#hour, dayOf(this.#hour)];
    const values = this.#values?.take(({ dimension, value }, { humans, bots }) => ({
      day,
      dimension,
      value,
      humans,
      bots,
    }));
    const clicks: LinkClicks = {
      key: this.key,
      hours: [{ hour, humans: this.#humans, bots: this.#bots }],
      values: values ?? [],
      visitors: this.#sketch === undefined ? [] : [{ day, sketch: this.#sketch }],
    };
    this.#humans = 0;
    this.#bots = 0;
    this.#sketch = undefined;
    if (this.#held.isTooMany) this.forgetValues();
    return clicks;
  }
}
