const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/** The last instant that DATETIME(3) can hold. */
const LATEST_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

export type Expiration =
  { readonly ok: true; readonly at: Date } | { readonly ok: false; readonly reason: string };

/**
 * Reads an expiration date: RFC 3339 with an offset, in the future. Digits beyond the millisecond are
 * dropped; a leap second counts as the second after it. Does not use `Date.parse`, which accepts dates
 * without offset and the 30th of February.
 */
export function parseExpiration(input: string, nowMs: number): Expiration {
  const instant = parseInstant(input);
  return instant.ok && instant.at.getTime() <= nowMs ? refuse('is in the past') : instant;
}

/** Reads any time that a link can have, like {@link parseExpiration}. */
export function parseInstant(input: string): Expiration {
  const atMs = parseRfc3339(input);
  if (atMs === undefined)
    return refuse('must be an RFC 3339 date-time with offset, such as 2030-01-31T12:00:00Z');
  if (atMs > LATEST_MS) return refuse('is after the year 9999');
  return { ok: true, at: new Date(atMs) };
}

function parseRfc3339(input: string): number | undefined {
  const match = RFC_3339.exec(input);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [offsetHour, offsetMinute] = [Number(match[9] ?? 0), Number(match[10] ?? 0)];
  const isTime = hour <= 23 && minute <= 59 && second <= 60 && offsetHour <= 23 && offsetMinute <= 59;
  if (!isTime || month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  const milliseconds = Number((match[7] ?? '').slice(0, 3).padEnd(3, '0'));
  const local = new Date(0);
  local.setUTCFullYear(year, month - 1, day); // Date.UTC would read the years 0 to 99 as 1900 to 1999
  local.setUTCHours(hour, minute, second, second === 60 ? 0 : milliseconds);
  const offsetMs = (offsetHour * 60 + offsetMinute) * 60_000 * (match[8] === '-' ? -1 : 1);
  return local.getTime() - offsetMs;
}

function daysIn(year: number, month: number): number {
  const last = new Date(0);
  last.setUTCFullYear(year, month, 0);
  return last.getUTCDate();
}

function refuse(reason: string): Expiration {
  return { ok: false, reason };
}
