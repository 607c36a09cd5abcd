import { toSqlDay, toSqlHour } from './sql-times.ts';

/** The first and last day that a column can have, since 1970-01-01. */
const [FIRST, LAST] = [0, Date.UTC(9999, 11, 31) / 86_400_000];

/** A condition for a column of days since 1970-01-01. The days end before `to`, which may be Infinity. */
export function isBetweenDays(column: string, from: number, to: number): string {
  return `${column} >= ${toSqlDay(bounded(from))} AND ${column} < ${toSqlDay(bounded(to))}`;
}

/** The same for a column of hours. */
export function isBetweenHours(column: string, from: number, to: number): string {
  return `${column} >= ${toSqlHour(bounded(from, 24))} AND ${column} < ${toSqlHour(bounded(to, 24))}`;
}

function bounded(value: number, perDay = 1): number {
  return Math.min(LAST * perDay, Math.max(FIRST, value));
}

/** Days since 1970-01-01, in SQL. */
export function dayNumber(column: string): string {
  return `TO_DAYS(${column}) - 719528`;
}

/** Hours since 1970-01-01 00:00, in SQL. */
export function hourNumber(column: string): string {
  return `TIMESTAMPDIFF(HOUR, '1970-01-01 00:00:00', ${column})`;
}
