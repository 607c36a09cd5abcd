import type { Counts, DayVisitors, LinkClicks } from './click-flush.ts';
import { Sketch } from './sketch.ts';

/** All clicks of a link: what its hours add up to. */
export function clicksIn({ hours }: Pick<LinkClicks, 'hours'>): number {
  return hours.reduce((sum, { humans, bots }) => sum + humans + bots, 0);
}

/** What was counted for one link in two intervals, as one. Pure. */
export function mergeClicks(a: LinkClicks, b: LinkClicks): LinkClicks {
  return {
    key: a.key,
    hours: mergeCounts([...a.hours, ...b.hours], ({ hour }) => hour),
    values: mergeCounts(
      [...a.values, ...b.values],
      ({ day, dimension, value }) => `${day} ${dimension} ${value}`,
    ),
    visitors: mergeVisitors([...a.visitors, ...b.visitors]),
  };
}

function mergeCounts<T extends Counts>(counts: readonly T[], idOf: (one: T) => string | number): T[] {
  const merged = new Map<string | number, T>();
  for (const one of counts) {
    const id = idOf(one);
    const before = merged.get(id);
    const sum = before && { humans: before.humans + one.humans, bots: before.bots + one.bots };
    merged.set(id, { ...one, ...sum });
  }
  return [...merged.values()];
}

function mergeVisitors(visitors: readonly DayVisitors[]): DayVisitors[] {
  return [...Map.groupBy(visitors, ({ day }) => day)].map(([day, ofDay]) => {
    const sketch = new Sketch();
    for (const one of ofDay) sketch.merge(one.sketch);
    return { day, sketch };
  });
}
