import { z } from 'zod';
import { parseInstant } from '../shorten/expiration.ts';
import type { FieldError } from '../http/problem.ts';
import { BY, NO_ZONE, type Moment } from '../statistics/question.ts';
import { Zone } from '../statistics/zone.ts';
import { UNITS } from '../statistics/units.ts';

const DATE = /^\d{4}-\d\d-\d\d$/;
const DAY_MS = 86_400_000;

/** A time with its offset, or a day of the zone that is asked for. */
function parseMoment(text: string): Moment | { readonly reason: string } {
  const isDate = DATE.test(text);
  const parsed = parseInstant(isDate ? `${text}T00:00:00Z` : text);
  if (!parsed.ok)
    return { reason: 'must be a date, such as 2030-01-31, or an RFC 3339 date-time with offset' };
  // No link is older than 1970.
  const atMs = Math.max(0, parsed.at.getTime());
  return isDate ? { day: atMs / DAY_MS } : { at: new Date(atMs) };
}

function moment(description: string) {
  return z
    .string()
    .transform((text, context) => {
      const parsed = parseMoment(text);
      if (!('reason' in parsed)) return parsed;
      context.addIssue(parsed.reason);
      return z.NEVER;
    })
    .optional()
    .meta({ description });
}

/** What can be asked about clicks. The zone is looked up later. */
export const statisticsQuery = z.strictObject({
  from: moment(
    'clicks at this time or later: a time, or a date of the zone. Default: the first click; for hours, 7 days before `to`',
  ),
  to: moment('clicks before this time; a date ends with the day before it. Default: now'),
  unit: z
    .enum(UNITS, { error: `must be one of ${UNITS.join(', ')}` })
    .default('day')
    .meta({ description: 'of the items by time' }),
  by: z
    .enum(BY, { error: `must be one of ${BY.join(', ')}` })
    .default('time')
    .meta({ description: 'by what the clicks are counted' }),
  tz: z
    .string()
    .max(64, { error: 'must not exceed 64 characters' })
    .default('UTC')
    .meta({ description: 'time zone: an IANA name, or an offset, such as `+02:00` (the `+` as `%2B`)' }),
});

/** What is wrong with the zone in a question of which other parameters are wrong. */
export function faultsOfZone(query: unknown): FieldError[] {
  const { tz } = Object(query) as { readonly tz?: unknown };
  const isKnown = typeof tz !== 'string' || Zone.find(tz, Date.now()) !== undefined;
  return isKnown ? [] : [{ field: 'tz', reason: NO_ZONE }];
}

export type StatisticsQuery = z.output<typeof statisticsQuery>;

/** What the charts of a page are asked for: by time, and by all that is known of visitors, or one thing. */
export const chartsQuery = statisticsQuery
  .omit({ by: true })
  .extend({ only: z.enum(BY).exclude(['time']).optional() });

export type ChartsQuery = z.output<typeof chartsQuery>;
