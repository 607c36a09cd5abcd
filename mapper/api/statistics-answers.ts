import { z } from 'zod';
import type { ValueCount } from '../../db/clicks/read-values.ts';
import { acceptedWeight } from '../http/accepted-weight.ts';
import { toCsvCell } from '../import/write-links.ts';
import { BY, type Question } from '../statistics/question.ts';
import type { ChartsQuestion, ClickCharts, ClickStatistics } from '../statistics/statistics.ts';
import { UNITS } from '../statistics/units.ts';
import type { ContentReply } from './content.ts';
import { time } from './fields.ts';

const counts = { humans: z.int(), bots: z.int() };

const valueItem = z.object({
  value: z.string().meta({ description: 'empty: nothing is known; `(other)`: all other values' }),
  ...counts,
});

const item = z.union([z.object({ at: time, ...counts }), valueItem]);

/** What both questions are answered with. */
const answer = {
  from: time.nullable().meta({ description: 'null: from the first click' }),
  to: time,
  unit: z.enum(UNITS),
  by: z.enum(BY),
  tz: z.string(),
  approximate: z.boolean().meta({
    description:
      'some numbers are of days of UTC, or of hours that the period has only in part; visitors are always of days of UTC',
  }),
  clicks: z.object({ total: z.int(), ...counts }),
  visitors: z.int().meta({ description: 'the sum of the visitors of each day of UTC, counted to some 3 %' }),
  items: z.array(item),
};

export const statisticsAnswer = z.object(answer).meta({ id: 'Statistics' });

export const overviewAnswer = z
  .object({
    ...answer,
    most_followed: z
      .array(z.object({ unique_id: z.string(), short_url: z.string().meta({ format: 'uri' }), ...counts }))
      .meta({ description: 'the 20 links that people followed most, also deleted ones' }),
  })
  .meta({ id: 'Overview' });

/** All charts of a page. */
export const chartsAnswer = z.object({
  time: statisticsAnswer,
  values: z.array(z.object({ by: z.enum(BY).exclude(['time']), items: z.array(valueItem) })),
});

export const overviewChartsAnswer = chartsAnswer.extend({
  most_followed: overviewAnswer.shape.most_followed,
});

export type ChartsBody = z.output<typeof chartsAnswer>;
export type OverviewChartsBody = z.output<typeof overviewChartsAnswer>;

export type StatisticsBody = z.output<typeof statisticsAnswer>;

export function toBody(
  { fromMs, toMs, unit, by, zone }: Question,
  { humans, bots, visitors, isApproximate, items }: ClickStatistics,
): StatisticsBody {
  return {
    from: fromMs === undefined ? null : new Date(fromMs).toISOString(),
    to: new Date(toMs).toISOString(),
    unit,
    by,
    tz: zone.name,
    approximate: isApproximate,
    clicks: { total: humans + bots, humans, bots },
    visitors,
    items:
      'times' in items
        ? items.times.map(({ at, ...own }) => ({ at: at.toISOString(), ...own }))
        : [...items.values],
  };
}

export function toCharts(
  { time, dimensions }: ChartsQuestion,
  { values, ...clicks }: ClickCharts,
): ChartsBody {
  return {
    time: toBody(time, clicks),
    values: dimensions.map((by, index) => ({ by, items: [...(values[index] ?? [])] })),
  };
}

/** The links of which `value` is the key. @param publicUrl origin of short URLs */
export function toMostFollowed(
  links: readonly ValueCount[],
  publicUrl: string,
): z.output<typeof overviewAnswer>['most_followed'] {
  return links.map(({ value, ...own }) => ({ unique_id: value, short_url: `${publicUrl}/${value}`, ...own }));
}

export const CSV = 'text/csv';

/** Whether the client wants CSV more than JSON. @param accept the header */
export function wantsCsv(accept: string | undefined): boolean {
  const csv = acceptedWeight(accept ?? '', /^text\/csv(?:;|$)/);
  return csv > 0 && csv >= acceptedWeight(accept ?? '', /^application\/json(?:;|$)/);
}

/** The items, with a line for each. */
export function toCsv({ by, items, approximate }: StatisticsBody): ContentReply {
  const header = `${by === 'time' ? 'at' : 'value'},humans,bots\r\n`;
  const lines = items.map((one) => {
    const cells = ['at' in one ? one.at : one.value, one.humans, one.bots];
    return `${cells.map(toCsvCell).join(',')}\r\n`;
  });
  return {
    type: `${CSV}; charset=utf-8; header=present`,
    content: header + lines.join(''),
    headers: { Vary: 'Accept', 'X-Approximate': String(approximate) },
  };
}
