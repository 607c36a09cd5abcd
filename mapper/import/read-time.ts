import { parseInstant } from '../shorten/expiration.ts';
import { faultOf, quote, type Fault } from './reasons.ts';

/** In which order a date such as `12/11/2024` has its day and its month. */
export type DateOrder = 'day-first' | 'month-first';

export interface TimeRules {
  /** The IANA name of the zone of times that name none, such as `Europe/Berlin`. */
  readonly timezone?: string | undefined;
  readonly dateOrder?: DateOrder | undefined;
}

/** A time; null where the file says that it knows none. */
export type ReadTime = { readonly at: Date | null } | { readonly fault: Fault };

const ISO = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](.+))?$/i;
const SLASHED = /^(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?:,?\s+(.+))?$/;
const CLOCK =
  /^(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?\s*([ap]m)?\s*(z|utc|[+-](?:[01]\d|2[0-3]):?[0-5]\d)?$/i;
/** MySQL's date of a row that has none. */
const ZERO = /^0000-00-00(?: 00:00:00)?$/;

const SECONDS = /^\d{9,10}$/;
const MILLISECONDS = /^\d{12,13}$/;

/** More than any time has. What is longer is not even looked at: it would take long. */
const MAX_CHARACTERS = 64;

/** The instants that DATETIME(3) holds exactly. Short links are younger than 1970. */
const [EARLIEST_MS, LATEST_MS] = [0, Date.UTC(9999, 11, 31, 23, 59, 59, 999)];

/**
 * Reads a time of any shorteners' file: RFC 3339 and its relatives, seconds or milliseconds since 1970, and
 * dates such as `12/11/2024` or `02.01.2024 03:04`. Never guesses: a time without zone needs `timezone`, and
 * a date that can be two days needs `dateOrder`. A local time that its zone had twice, or never, is refused.
 *
 * @param field of a link, for the message
 */
export function readTime(field: string, value: unknown, rules: TimeRules): ReadTime {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string') return refuse('value-type', field, `${quote(value)} is no time`);
  const trimmed = text.trim();
  if (trimmed.length > MAX_CHARACTERS) return noDate(field, text);
  if (ZERO.test(trimmed)) return { at: null };
  if (SECONDS.test(trimmed)) return inRange(field, text, Number(trimmed) * 1_000);
  if (MILLISECONDS.test(trimmed)) return inRange(field, text, Number(trimmed));
  const exact = parseInstant(trimmed);
  if (exact.ok) return inRange(field, text, exact.at.getTime());
  const iso = ISO.exec(trimmed);
  if (iso !== null) {
    const [, year, month, day, clock] = iso;
    return onDay({ field, text, clock, rules }, { year, month, day });
  }
  const slashed = SLASHED.exec(trimmed);
  if (slashed === null) return noDate(field, text);
  const [, first, , second, year, clock] = slashed;
  const readings = {
    'day-first': { year, month: second, day: first },
    'month-first': { year, month: first, day: second },
  };
  const possible = Object.values(readings).filter((date) => dayOf(date) !== undefined);
  const chosen = rules.dateOrder === undefined ? undefined : readings[rules.dateOrder];
  const [only] = chosen === undefined ? possible : [chosen];
  if (only === undefined) return noDate(field, text);
  if (chosen === undefined && possible.length > 1 && first !== second) {
    const days = possible.map((date) => dayOf(date)?.toString()).join(' or ');
    return refuse(
      'unclear-date',
      field,
      `${quote(text)} can be ${days}; say --date-order, or write YYYY-MM-DD`,
    );
  }
  return onDay({ field, text, clock, rules }, only);
}

interface DateParts {
  readonly year: string | undefined;
  readonly month: string | undefined;
  readonly day: string | undefined;
}

interface Asked {
  readonly field: string;
  readonly text: string;
  /** The text behind the date. */
  readonly clock: string | undefined;
  readonly rules: TimeRules;
}

function dayOf({ year, month, day }: DateParts): Temporal.PlainDate | undefined {
  try {
    const parts = { year: Number(year), month: Number(month), day: Number(day) };
    return Temporal.PlainDate.from(parts, { overflow: 'reject' });
  } catch {
    return undefined;
  }
}

function onDay({ field, text, clock, rules }: Asked, date: DateParts): ReadTime {
  const day = dayOf(date);
  const time = clockOf(clock ?? '00:00');
  if (day === undefined || time === undefined) return noDate(field, text);
  const local = day.toPlainDateTime(time.time);
  const { offset } = time;
  if (offset !== undefined) return inRange(field, text, local.toZonedDateTime(offset).epochMilliseconds);
  const { timezone } = rules;
  if (timezone === undefined) {
    const message = `${quote(text)} has no time zone; say --timezone, such as --timezone Europe/Berlin`;
    return refuse('no-zone', field, message);
  }
  const [earlier, later] = (['earlier', 'later'] as const).map((disambiguation) =>
    local.toZonedDateTime(timezone, { disambiguation }),
  );
  if (earlier === undefined || later === undefined) return noDate(field, text);
  if (earlier.epochMilliseconds === later.epochMilliseconds)
    return inRange(field, text, earlier.epochMilliseconds);
  const times = earlier.toPlainDateTime().equals(later.toPlainDateTime()) ? 'twice' : 'never';
  const message = `${quote(text)} was ${times} in ${timezone}: its clocks were changed; write the offset`;
  return refuse('unclear-date', field, message);
}

interface Clock {
  readonly time: Temporal.PlainTime;
  /** As Temporal reads it: `+02:00`. */
  readonly offset: string | undefined;
}

function clockOf(text: string): Clock | undefined {
  const found = CLOCK.exec(text);
  if (found === null) return undefined;
  const [, hours, minute, second = '0', fraction = '', half, zone] = found;
  const hour = half === undefined ? Number(hours) : hourOf(Number(hours), half);
  const parts = { hour, minute: Number(minute), second: Number(second) };
  const millisecond = Number(fraction.slice(0, 3).padEnd(3, '0'));
  try {
    const time = Temporal.PlainTime.from({ ...parts, millisecond }, { overflow: 'reject' });
    return { time, offset: zone === undefined ? undefined : offsetOf(zone) };
  } catch {
    return undefined;
  }
}

function hourOf(hour: number, half: string): number {
  if (hour < 1 || hour > 12) return Number.NaN;
  return (hour % 12) + (half.toLowerCase() === 'pm' ? 12 : 0);
}

function offsetOf(zone: string): string {
  if (/^(?:z|utc)$/i.test(zone)) return 'UTC';
  return zone.includes(':') ? zone : `${zone.slice(0, 3)}:${zone.slice(3)}`;
}

/** Whether `timezone` is the name of a zone. */
export function isTimezone(timezone: string): boolean {
  try {
    return Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(timezone).epochMilliseconds === 0;
  } catch {
    return false;
  }
}

function inRange(field: string, text: string, atMs: number): ReadTime {
  if (atMs >= EARLIEST_MS && atMs <= LATEST_MS) return { at: new Date(atMs) };
  return refuse('no-date', field, `${quote(text)} is before 1970 or after the year 9999`);
}

function noDate(field: string, text: string): ReadTime {
  return refuse('no-date', field, `${quote(text)} is no date; write it like 2024-01-31T12:00:00Z`);
}

function refuse(reason: Fault['reason'], field: string, message: string): ReadTime {
  return { fault: faultOf(reason, field, message) };
}
