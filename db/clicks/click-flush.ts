import type { Dimension } from './dimensions.ts';
import type { Sketch } from './sketch.ts';

/** How often something was followed, by people and by programs. */
export interface Counts {
  readonly humans: number;
  readonly bots: number;
}

/** Clicks of one hour. */
export interface HourClicks extends Counts {
  /** Full hours since 1970 in UTC: `Math.floor(timeMs / HOUR_MS)`. */
  readonly hour: number;
}

/** Clicks of one day with one value of a dimension. */
export interface ValueClicks extends Counts {
  /** Full days since 1970 in UTC. */
  readonly day: number;
  readonly dimension: Exclude<Dimension, 'link'>;
  /** ASCII, at most 255 characters. `NO_VALUE` and `OTHER_VALUES` have a meaning: see dimensions.ts. */
  readonly value: string;
}

/** Who followed a link on one day. */
export interface DayVisitors {
  /** Full days since 1970 in UTC. */
  readonly day: number;
  /** The visitors since the flush before. They are added to the sketch that is stored. Do not change it. */
  readonly sketch: Sketch;
}

/** What was counted for one link. */
export interface LinkClicks {
  readonly key: string;
  /** Every click is in here. Each hour once, and none without a click. */
  readonly hours: readonly HourClicks[];
  /**
   * Each day, dimension and value once. A click whose dimensions are not known, or must not be, is absent:
   * the sums by dimension may be smaller than the clicks.
   */
  readonly values: readonly ValueClicks[];
  /** Each day at most once. */
  readonly visitors: readonly DayVisitors[];
}

/** One numbered addition. A repetition under the same number must have the same links. */
export interface ClickFlush {
  /** Names one process from its start to its end. Never reused. At most 96 ASCII characters. */
  readonly source: string;
  /**
   * Rises with every flush of the source to this database. The next flush waits until the outcome of this one
   * is known.
   */
  readonly seq: number;
  /** Has each key once. */
  readonly links: readonly LinkClicks[];
}

export const HOUR_MS = 3_600_000;
