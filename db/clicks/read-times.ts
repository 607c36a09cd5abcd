import type { Mysql } from '../mysql/mysql.ts';
import { dayNumber, hourNumber, isBetweenDays, isBetweenHours } from './day-numbers.ts';
import { isOf, type AskedSubject } from './read-subject.ts';
import { LINK } from './subject.ts';

/** Hours and days since 1970-01-01, UTC. Each ends before its `to`, which may be Infinity. */
export interface TimeRange {
  readonly fromHour: number;
  readonly toHour: number;
  readonly fromDay: number;
  readonly toDay: number;
}

/** The clicks of one hour or day. */
export interface TimeCount {
  /** Hours or days since 1970-01-01, UTC. */
  readonly at: number;
  readonly humans: number;
  readonly bots: number;
}

export interface TimeCounts {
  readonly hours: readonly TimeCount[];
  /** Also clicks that were counted by day only. A day may be there twice. */
  readonly days: readonly TimeCount[];
}

export type Grain = 'hour' | 'day';

const [HOUR, DAY] = [0, 1];

/**
 * Reads the clicks of a subject by time. One statement reads hours and days, so that it sees a click once
 * while a job moves it.
 * @param grain `day`: the hours are put together to days
 * @throws StoreUnavailableError: the read may be repeated
 */
export async function readTimes(
  db: Mysql,
  subject: AskedSubject,
  { range, grain, timeoutMs }: { range: TimeRange; grain: Grain; timeoutMs: number },
): Promise<TimeCounts> {
  const { prefix } = subject.kind;
  const { fromHour, toHour, fromDay, toDay } = range;
  const hours = `FROM ${prefix}_hours WHERE ${isOf(subject)} AND ${isBetweenHours('hour', fromHour, toHour)}`;
  const isAsked = `${isOf(subject)} AND ${isBetweenDays('day', fromDay, toDay)}`;
  const parts = [
    grain === 'hour'
      ? `SELECT ${HOUR}, ${hourNumber('hour')}, humans, bots ${hours}`
      : `SELECT ${DAY}, ${dayNumber('hour')} AS day, SUM(humans), SUM(bots) ${hours} GROUP BY day`,
    `SELECT ${DAY}, ${dayNumber('day')}, humans, bots FROM ${prefix}_days WHERE ${isAsked}`,
  ];
  // What processes of earlier releases have counted, until a job moves it.
  if (subject.kind === LINK)
    parts.push(`SELECT ${DAY}, ${dayNumber('day')}, clicks, 0 FROM clicks WHERE ${isAsked}`);
  const rows = await db.queryArrays<[number, number, number | string, number | string]>(
    parts.join(' UNION ALL '),
    [],
    { timeoutMs },
  );
  const counts = { hours: [] as TimeCount[], days: [] as TimeCount[] };
  for (const [kind, at, humans, bots] of rows)
    counts[kind === HOUR ? 'hours' : 'days'].push({ at, humans: Number(humans), bots: Number(bots) });
  return counts;
}
