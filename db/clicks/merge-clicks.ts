import type { Counts, DayVisitors, HourClicks, LinkClicks } from './click-flush.ts';
import { Sketch } from './sketch.ts';

/** All clicks of a link: what its hours add up to. */
export function clicksIn({ hours }: Pick<LinkClicks, 'hours'>): number {
  return hours.reduce((sum, { humans, bots }) => sum + humans + bots, 0);
}

/** Has each hour once. */
export function mergeHours(hours: readonly HourClicks[]): HourClicks[] {
  return mergeCounts(hours, ({ hour }) => hour);
}

interface ValueOfDay {
  readonly day: number;
  readonly dimension: string;
  readonly value: string;
}

/** The same for the same value, dimension and day only. */
export function idOfValue({ day, dimension, value }: ValueOfDay): string {
  return `${day} ${dimension} ${value}`;
}

/** Has each day, dimension and value once. */
export function mergeValues<T extends Counts & ValueOfDay>(values: readonly T[]): T[] {
  return mergeCounts(values, idOfValue);
}

/** Has each day once. */
export function mergeVisitors(visitors: readonly DayVisitors[]): DayVisitors[] {
  if (visitors.length < 2) return [...visitors];
  return [...Map.groupBy(visitors, ({ day }) => day)].map(([day, ofDay]) => {
    const sketch = new Sketch();
    for (const one of ofDay) sketch.merge(one.sketch);
    return { day, sketch };
  });
}

function mergeCounts<T extends Counts>(counts: readonly T[], idOf: (one: T) => string | number): T[] {
  if (counts.length < 2) return [...counts];
  const merged = new Map<string | number, T>();
  for (const one of counts) {
    const id = idOf(one);
    const before = merged.get(id);
    merged.set(
      id,
      before === undefined
        ? one
        : { ...one, humans: before.humans + one.humans, bots: before.bots + one.bots },
    );
  }
  return [...merged.values()];
}
