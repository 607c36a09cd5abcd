const DAY_MS = 86_400_000;

/** The first and last day that a column can have. */
const FIRST = 0;
const LAST = Date.UTC(9999, 11, 31) / DAY_MS;

/** A day since 1970-01-01 as SQL has it. Infinity: the last one. */
export function toSqlDay(day: number): string {
  return new Date(Math.min(LAST, Math.max(FIRST, day)) * DAY_MS).toISOString().slice(0, 10);
}

/** An hour since 1970-01-01 00:00 UTC as SQL has it. Infinity: the last one. */
export function toSqlHour(hour: number): string {
  const bounded = Math.min((LAST + 1) * 24 - 1, Math.max(FIRST, hour));
  return new Date(bounded * 3_600_000).toISOString().slice(0, 19).replace('T', ' ');
}

/** Days since 1970-01-01, in SQL. */
export function dayNumber(column: string): string {
  return `TO_DAYS(${column}) - 719528`;
}

/** Hours since 1970-01-01 00:00, in SQL. */
export function hourNumber(column: string): string {
  return `TIMESTAMPDIFF(HOUR, '1970-01-01 00:00:00', ${column})`;
}
