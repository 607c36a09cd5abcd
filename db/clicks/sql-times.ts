import { HOUR_MS } from './click-flush.ts';

const DAY_MS = 24 * HOUR_MS;

/** @param hour full hours since 1970 in UTC @returns a literal of SQL */
export function toSqlHour(hour: number): string {
  return `'${new Date(hour * HOUR_MS).toISOString().slice(0, 13).replace('T', ' ')}:00:00'`;
}

/** @param day full days since 1970 in UTC @returns a literal of SQL */
export function toSqlDay(day: number): string {
  return `'${toDate(day)}'`;
}

/** @param day full days since 1970 in UTC @returns `YYYY-MM-DD` */
export function toDate(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

/** @param date `YYYY-MM-DD` @returns full days since 1970 in UTC */
export function toDay(date: string): number {
  return Date.parse(date) / DAY_MS;
}

/** The first day of the month of a day, or of a month before or after it. */
export function monthOf(day: number, later = 0): number {
  const date = new Date(day * DAY_MS);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + later) / DAY_MS;
}

/** The day of an hour: full days since 1970 in UTC, of full hours. */
export function dayOf(hour: number): number {
  return Math.floor(hour / 24);
}
