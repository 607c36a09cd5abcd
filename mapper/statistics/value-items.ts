import type { Counts } from '../../db/clicks/click-flush.ts';
import { NO_VALUE, OTHER_VALUES } from '../../db/clicks/dimensions.ts';
import {
  addCounts,
  compareCounts,
  type DayRange,
  type ValueCount,
  type ValueCounts,
} from '../../db/clicks/read-values.ts';
import { monthOf } from '../../db/clicks/sql-times.ts';

/**
 * Adds up the values of all servers, and counts all but the most frequent ones together, as `(other)`, which
 * comes last. Clicks without a value are those that are left of all. So the items have all clicks. Pure.
 * @param all the clicks of the period. Values are counted by day: of a part of one there may be more
 * @param count the most items, without `(other)`
 */
export function mergeValues(answers: readonly ValueCounts[], all: Counts, count: number): ValueCount[] {
  const rest = { humans: 0, bots: 0 };
  for (const { humans, bots } of answers) {
    rest.humans += humans;
    rest.bots += bots;
  }
  const none = {
    value: NO_VALUE,
    humans: Math.max(0, all.humans - rest.humans),
    bots: Math.max(0, all.bots - rest.bots),
  };
  rest.humans += none.humans;
  rest.bots += none.bots;
  const hasNone = none.humans + none.bots > 0;
  const items = mostFrequent(hasNone ? [...answers, { items: [none] }] : answers, count);
  for (const { humans, bots } of items) {
    rest.humans -= humans;
    rest.bots -= bots;
  }
  return rest.humans + rest.bots === 0 ? items : [...items, { value: OTHER_VALUES, ...rest }];
}

/** The values that all servers together have most often. Pure. */
export function mostFrequent(answers: readonly Pick<ValueCounts, 'items'>[], count: number): ValueCount[] {
  const sums = new Map<string, ValueCount>();
  for (const own of answers.flatMap(({ items }) => items)) {
    if (own.value === OTHER_VALUES) continue;
    const before = sums.get(own.value);
    sums.set(own.value, before === undefined ? own : addCounts(before, own));
  }
  return [...sums.values()].sort(compareCounts).slice(0, count);
}

/**
 * Divides a period into months of which the sums are complete, and the days that are left. Pure.
 * @param closed the first days of complete months
 */
export function divide(
  { fromDay, toDay }: DayRange,
  closed: readonly number[],
): { months: number[]; days: DayRange[] } {
  const months: number[] = [];
  const days: DayRange[] = [];
  let at = fromDay;
  for (const first of closed.toSorted((a, b) => a - b)) {
    const next = monthOf(first, 1);
    if (first < at || next > toDay) continue;
    if (first > at) days.push({ fromDay: at, toDay: first });
    months.push(first);
    at = next;
  }
  if (at < toDay) days.push({ fromDay: at, toDay });
  return { months, days };
}
