import type { TimeCount, TimeCounts } from '../../db/clicks/read-times.ts';
import { MAX_ITEMS, type Question } from './question.ts';

export interface TimeItem {
  readonly at: Date;
  readonly humans: number;
  readonly bots: number;
}

/**
 * Puts clicks together to hours, days or months of the zone: one item for each, from the first to the last of
 * the period, also where there was no click. Without a begin, the first one is that of the first click. Pure.
 * @param counts of all servers
 * @returns undefined when they would be more than `MAX_ITEMS`
 */
export function toTimeItems(
  { fromMs, lastMs, units }: Pick<Question, 'fromMs' | 'lastMs' | 'units'>,
  counts: readonly TimeCounts[],
): TimeItem[] | undefined {
  const sums = new Map<number, { humans: number; bots: number }>();
  const add = (unit: number, { humans, bots }: TimeCount): void => {
    const sum = sums.get(unit);
    if (sum === undefined) {
      sums.set(unit, { humans, bots });
      return;
    }
    sum.humans += humans;
    sum.bots += bots;
  };
  for (const { hours, days } of counts) {
    for (const hour of hours) add(units.of(hour.at * 3_600_000), hour);
    for (const day of days) add(units.ofDay(day.at), day);
  }
  const found = [...sums.keys()].sort((a, b) => a - b);
  // A click that another process has counted may be ahead of our clock.
  const last = Math.max(units.of(lastMs), found.at(-1) ?? -Infinity);
  const first = fromMs === undefined ? found[0] : Math.min(units.of(fromMs), found[0] ?? Infinity);
  if (first === undefined) return [];
  if (last - first >= MAX_ITEMS) return undefined;
  const items: TimeItem[] = [];
  for (let unit = first; unit <= last; unit += 1) {
    const { humans, bots } = sums.get(unit) ?? NONE;
    items.push({ at: new Date(units.startOf(unit)), humans, bots });
  }
  return items;
}

const NONE = { humans: 0, bots: 0 };
