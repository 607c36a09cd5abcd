import { monthOfDay, Zone, firstDayOf } from '../statistics/zone.ts';
import type { UnitName } from '../statistics/units.ts';

/** The periods that a page offers. The names stand in its address. */
export const PERIODS = {
  '24h': 'Last 24 hours',
  '7d': '7 days',
  '30d': '30 days',
  '90d': '90 days',
  '12m': '12 months',
  all: 'All time',
} as const;

export type PeriodName = keyof typeof PERIODS;

/** Which clicks a page shows. */
export interface Period {
  readonly name: PeriodName;
  readonly zone: string;
  /** What its charts are asked for with. */
  readonly query: Readonly<Record<string, string>>;
  readonly unit: UnitName;
  /** Why another zone is not used; undefined: it is the one that was asked for. */
  readonly zoneFault: string | undefined;
}

const DAY_MS = 86_400_000;
/** A young link has few months. */
const MAX_DAYS_OF_ALL = 92;

/** The units have to be so large that a chart has room for all bars. */
const UNITS: Readonly<Record<Exclude<PeriodName, 'all'>, UnitName>> = {
  '24h': 'hour',
  '7d': 'day',
  '30d': 'day',
  '90d': 'day',
  '12m': 'month',
};
const DAYS: Readonly<Partial<Record<PeriodName, number>>> = { '7d': 7, '30d': 30, '90d': 90 };

/**
 * The period that a page shows. What its address does not say, or says wrongly, is what is usual: a chart is
 * no reason to refuse a page. Pure.
 * @param asked the parameters of the address
 * @param createdAt of the link
 */
export function periodOf(
  asked: { readonly period?: string | undefined; readonly tz?: string | undefined },
  createdAt: Date,
  nowMs: number,
): Period {
  const name = isPeriod(asked.period) ? asked.period : '30d';
  const wanted = asked.tz ?? 'UTC';
  const found = wanted === '' || wanted.length > 64 ? undefined : Zone.find(wanted, nowMs);
  const zone = found ?? Zone.find('UTC', nowMs);
  if (zone === undefined) throw new Error('the platform does not know UTC');
  const today = zone.dayOf(nowMs);
  const unit = name === 'all' ? unitOfAll(createdAt, nowMs) : UNITS[name];
  const from = fromOf(name, today, nowMs);
  return {
    name,
    zone: zone.name,
    unit,
    zoneFault: found === undefined ? 'is no time zone; the times below are UTC' : undefined,
    query: { ...(from !== undefined && { from }), unit, tz: zone.name },
  };
}

/** A time, or a date of the zone. */
function fromOf(name: PeriodName, today: number, nowMs: number): string | undefined {
  // The hour that is not over yet is the last of them.
  if (name === '24h') return new Date((Math.floor(nowMs / 3_600_000) - 23) * 3_600_000).toISOString();
  if (name === '12m') return dateOf(firstDayOf(monthOfDay(today) - 11));
  const days = DAYS[name];
  return days === undefined ? undefined : dateOf(today - days + 1);
}

/** @param day since 1970-01-01 */
function dateOf(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

function unitOfAll(createdAt: Date, nowMs: number): UnitName {
  return nowMs - createdAt.getTime() > MAX_DAYS_OF_ALL * DAY_MS ? 'month' : 'day';
}

function isPeriod(name: string | undefined): name is PeriodName {
  return name !== undefined && Object.hasOwn(PERIODS, name);
}
