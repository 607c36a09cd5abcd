/* How figures are written on the page. Pure. */

import { groupDigits } from '../grouped-digits.ts';

/** `1234567` → `1,234,567`; null is a dash. */
export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : groupDigits(Math.round(value));
}

/** A large number at a glance: `65.9 million`; up to a million as it is. */
export function about(value: number): string {
  if (value < 1e6) return count(value);
  return value < 1e9 ? `${(value / 1e6).toFixed(1)} million` : `${(value / 1e9).toFixed(1)} billion`;
}

/** Three digits of a number that is an estimate, and so does not change all the time: `1,020,000`. */
export function roughly(value: number): string {
  return count(Number(value.toPrecision(3)));
}

/** A rate: `0`, `0.4`, `12`, `1,340`. */
export function rate(value: number | undefined): string {
  if (value === undefined) return '–';
  if (value === 0 || value >= 10) return count(value);
  return value < 0.05 ? '<0.1' : value.toFixed(1);
}

/** A latency in seconds: `0.4 ms`, `12 ms`, `1.2 s`. */
export function latency(seconds: number | undefined): string {
  if (seconds === undefined) return '–';
  if (seconds === Infinity) return '>10 s';
  if (seconds >= 1) return `${seconds.toFixed(1)} s`;
  const ms = seconds * 1_000;
  return ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
}

/** A time that is left, in steps that do not change all the time: `45 s`, `12 min`, `3 h`, `2 days`. */
export function left(seconds: number): string {
  if (seconds >= 100 * 86_400) return 'months';
  if (seconds >= 2 * 86_400) return `${Math.floor(seconds / 86_400)} days`;
  if (seconds >= 2 * 3_600) return `${Math.floor(seconds / 3_600)} h`;
  if (seconds >= 120) return `${Math.floor(seconds / 60)} min`;
  return seconds >= 20 ? `${Math.floor(seconds / 5) * 5} s` : `${Math.floor(seconds)} s`;
}

/** A short time: `80 ms`, `1.4 s`, `2 min`. */
export function short(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}

/** How long ago something was, as the page's script writes it: `4 s`, `12 min`, `3 h 5 min`, `2 days`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} days`;
}

/** `1 producer`, `3 producers`. */
export function several(number: number, word: string): string {
  return `${count(number)} ${word}${number === 1 ? '' : 's'}`;
}

/** `mapper-1, mapper-2`; of many the first three, and how many more there are. */
export function namesOf(ids: readonly string[]): string {
  return ids.length > 3 ? `${ids.slice(0, 3).join(', ')} and ${ids.length - 3} more` : ids.join(', ');
}
