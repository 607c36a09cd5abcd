import { DIMENSIONS, type Dimension } from '../../db/clicks/dimensions.ts';
import type { TimeRange } from '../../db/clicks/read-times.ts';
import type { DayRange } from '../../db/clicks/read-values.ts';
import { unitsOf, type Unit, type UnitName } from './units.ts';
import { Zone } from './zone.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** By what the clicks of one link, or of all links of an owner, can be asked for. */
export const BY = ['time', ...Object.keys(DIMENSIONS).filter((name) => name !== 'link')] as [
  'time',
  ...Exclude<Dimension, 'link'>[],
];

export type By = (typeof BY)[number];

/** A time, or a calendar day of the zone. */
export type Moment =
  | { readonly at: Date }
  /** Days since 1970-01-01. */
  | { readonly day: number };

/** What a request asks for. */
export interface Asked {
  readonly from?: Moment | undefined;
  readonly to?: Moment | undefined;
  readonly unit: UnitName;
  readonly by: By;
  /** The name of a time zone. */
  readonly tz: string;
}

/** What the stores are asked for. */
export interface Question {
  readonly by: By;
  readonly unit: UnitName;
  readonly zone: Zone;
  /** Undefined: from the first click. */
  readonly fromMs: number | undefined;
  /** Clicks before this time. */
  readonly toMs: number;
  /** The last instant of the period that has come. */
  readonly lastMs: number;
  readonly units: Unit;
  readonly range: TimeRange;
  /** The days of UTC of which the period has a part. Visitors are counted by these. */
  readonly utcDays: DayRange;
  /** Whether the period has them whole. */
  readonly isOfUtcDays: boolean;
  /**
   * Whether hours are put together in the zone. If not, days of UTC are the days of the zone that have the
   * same date.
   */
  readonly hasHours: boolean;
  /** Whether the period begins and ends with full hours, so that hours can tell it exactly. */
  readonly isOfFullHours: boolean;
}

export interface QuestionError {
  readonly field: 'from' | 'to' | 'unit' | 'tz';
  readonly reason: string;
}

export type Resolved = { readonly question: Question } | { readonly error: QuestionError };

/** More would be much work for this process, and no chart shows more. 13 years of days. */
export const MAX_ITEMS = 5_000;
export const TOO_MANY_ITEMS = `must be longer for this period: no answer has more than ${MAX_ITEMS} items`;
/** Without `from`, hours are asked for this time. */
const HOURS_MS = 7 * DAY_MS;
/** Older clicks are known by day. Some days more than that, because the job that puts them together rests. */
const HOURS_ARE_KEPT_MS = 100 * DAY_MS;
/** So far ahead, changes of the clocks are looked up. */
const AHEAD_MS = 800 * DAY_MS;

export const NO_ZONE = 'must be a time zone, such as Europe/Berlin, or an offset, such as +02:00';

/** Finds out what a request means at this moment. Pure. @returns the first parameter that is wrong */
export function resolveQuestion({ from, to, unit, by, tz }: Asked, nowMs: number): Resolved {
  const zone = Zone.find(tz, nowMs + AHEAD_MS);
  if (zone === undefined) return refuse('tz', NO_ZONE);
  const toMs = to === undefined ? nowMs : instantOf(to, zone);
  const isOfHours = by === 'time' && unit === 'hour';
  const givenMs = from === undefined ? undefined : instantOf(from, zone);
  const fromMs = givenMs ?? (isOfHours ? toHour(toMs - HOURS_MS) : undefined);
  if (fromMs !== undefined && fromMs >= toMs)
    return to === undefined ? refuse('from', 'must be in the past') : refuse('to', 'must be after from');
  const units = unitsOf(unit, zone);
  const lastMs = Math.min(toMs - 1, nowMs);
  if (by === 'time' && fromMs !== undefined && units.of(lastMs) - units.of(fromMs) >= MAX_ITEMS)
    return refuse('unit', TOO_MANY_ITEMS);
  const hasHours = by === 'time' && zone.hasFullHours(Math.max(fromMs ?? 0, nowMs - HOURS_ARE_KEPT_MS), toMs);
  // The clocks of other processes may be ahead.
  const isOpen = toMs >= nowMs;
  const isOfFull = (unitMs: number): boolean =>
    (fromMs ?? 0) % unitMs === 0 && (isOpen || toMs % unitMs === 0);
  const question: Question = {
    by,
    unit,
    zone,
    fromMs,
    toMs,
    lastMs,
    units,
    range: rangeOf(zone, { fromMs, toMs, isOpen }, hasHours),
    utcDays: {
      fromDay: Math.floor((fromMs ?? 0) / DAY_MS),
      toDay: isOpen ? Infinity : Math.ceil(toMs / DAY_MS),
    },
    isOfUtcDays: isOfFull(DAY_MS),
    hasHours,
    isOfFullHours: isOfFull(HOUR_MS),
  };
  return { question };
}

function rangeOf(
  zone: Zone,
  { fromMs = 0, toMs, isOpen }: { fromMs: number | undefined; toMs: number; isOpen: boolean },
  hasHours: boolean,
): TimeRange {
  const fromDay = zone.dayOf(fromMs);
  const toDay = isOpen ? Infinity : zone.dayOf(toMs - 1) + 1;
  if (!hasHours) return { fromDay, toDay, fromHour: fromDay * 24, toHour: toDay * 24 };
  const toHour = isOpen ? Infinity : Math.ceil(toMs / HOUR_MS);
  return { fromDay, toDay, fromHour: Math.floor(fromMs / HOUR_MS), toHour };
}

function instantOf(moment: Moment, zone: Zone): number {
  return 'at' in moment ? moment.at.getTime() : zone.startOfDay(moment.day);
}

function toHour(ms: number): number {
  return Math.floor(ms / HOUR_MS) * HOUR_MS;
}

function refuse(field: QuestionError['field'], reason: string): Resolved {
  return { error: { field, reason } };
}
