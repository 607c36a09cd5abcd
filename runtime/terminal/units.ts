import { groupDigits } from '../grouped-digits.ts';

/** `1234567` → `1,234,567`. Undefined and null become undefined, which a table shows as `-`. */
export function formatCount(count: number | null | undefined): string | undefined {
  return count === null || count === undefined ? undefined : groupDigits(count);
}

/**
 * The time since an ISO 8601 time, in its two largest units: `3 h 12 min`. Undefined when it is not a time.
 */
export function formatAge(since: string | null | undefined, nowMs: number): string | undefined {
  const startMs = Date.parse(since ?? '');
  return Number.isNaN(startMs) ? undefined : formatDuration(Math.max(0, nowMs - startMs));
}

const UNITS = [
  { name: 'd', seconds: 86_400 },
  { name: 'h', seconds: 3_600 },
  { name: 'min', seconds: 60 },
  { name: 's', seconds: 1 },
] as const;

/** `11520000` → `3 h 12 min`. Below a minute it has only seconds, below ten seconds with one decimal. */
export function formatDuration(durationMs: number): string {
  const total = durationMs / 1_000;
  if (total < 9.95) return `${total.toFixed(1)} s`;
  const seconds = Math.round(total);
  const first = UNITS.findIndex((unit) => seconds >= unit.seconds);
  const large = UNITS[first];
  const small = UNITS[first + 1];
  if (large === undefined || small === undefined) return `${seconds} s`;
  const rest = Math.floor((seconds % large.seconds) / small.seconds);
  const head = `${Math.floor(seconds / large.seconds)} ${large.name}`;
  return rest === 0 ? head : `${head} ${rest} ${small.name}`;
}

/** `152340.7` → `152,341`. Figures below 100 have three digits. */
export function formatFigure(value: number): string {
  if (Math.abs(value) >= 100) return groupDigits(Math.round(value));
  return String(Number(value.toPrecision(3)));
}
