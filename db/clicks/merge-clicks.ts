import type { Counts, DayVisitors, HourClicks, LinkClicks } from './click-flush.ts';
import { Sketch } from './sketch.ts';

/** All clicks of a link: what its hours add up to. */
export function clicksIn({ hours }: Pick<LinkClicks, 'hours'>): number {
  return hours.reduce((sum, { humans, bots }) => sum + humans + bots, 0);
}

/** What was counted for one link in two intervals, as one. Pure. */
export function mergeClicks(a: LinkClicks, b: LinkClicks): LinkClicks {
  return {
    key: a.key,
    hours: mergeHours([...a.hours, ...b.hours]),
    values: mergeValues([...a.values, ...b.values]),
    visitors: mergeVisitors([...a.visitors, ...b.visitors]),
  };
}

/** Has each hour once. */
export function mergeHours(hours: readonly HourClicks[]): HourClicks[] {
  return mergeCounts(hours, ({ hour }) => hour);
}

/** Has each day, dimension and value once. */
export function mergeValues<
  T extends Counts & { readonly day: number; readonly dimension: string; readonly value: string },
>(values: readonly T[]): T[] {
  return mergeCounts(values, ({ day, dimension, value }) => `${day} ${dimension} ${value}`);
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
