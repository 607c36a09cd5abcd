import type { LinkClicks } from '../../db/clicks/click-flush.ts';
import { codeOf } from '../../runtime/errors.ts';
import { StoreRefusedError } from '../../db/store-errors.ts';

/**
 * Links and rows of one flush: enough that a click costs little, few enough that the server needs only some
 * milliseconds.
 */
export const MAX_LINKS = 500;
export const MAX_ROWS = 1_000;

/** How many of the links that wait go into the next flush: at least one. Pure. */
export function countNext(links: Iterable<LinkClicks>): number {
  let [count, rows] = [0, 0];
  for (const clicks of links) {
    rows += rowsOf(clicks);
    if (count === MAX_LINKS || (count > 0 && rows > MAX_ROWS)) break;
    count += 1;
  }
  return count;
}

export function rowsOf({ hours, values, visitors }: LinkClicks): number {
  return hours.length + values.length + visitors.length;
}

/** About how many bytes of memory these clicks take. Pure. */
export function bytesOf({ hours, values, visitors }: LinkClicks): number {
  const sketches = visitors.reduce((sum, { sketch }) => sum + 200 + 4 * sketch.byteLength, 0);
  return 200 + 80 * hours.length + 150 * values.length + sketches;
}

/** Clicks without dimensions and visitors: they take little memory, and nothing is lost of their number. */
export function withoutDimensions(clicks: LinkClicks): LinkClicks {
  return { ...clicks, values: [], visitors: [] };
}

/**
 * Whether the store refuses what a flush contains, so that it would refuse it again and again. All other
 * refusals, like a missing right, end when somebody does something about them. Pure.
 */
export function isRefusedForGood(error: unknown): boolean {
  return error instanceof StoreRefusedError && FOR_GOOD.has(codeOf(error.cause));
}

/** A value that does not fit into its column, a request that is too large, and a trigger of the operator. */
const FOR_GOOD = new Set([
  'ER_DATA_TOO_LONG',
  'ER_WARN_DATA_OUT_OF_RANGE',
  'ER_DATA_OUT_OF_RANGE',
  'ER_TRUNCATED_WRONG_VALUE',
  'ER_TRUNCATED_WRONG_VALUE_FOR_FIELD',
  'WARN_DATA_TRUNCATED',
  'ER_INVALID_CHARACTER_STRING',
  'ER_CANNOT_CONVERT_STRING',
  'ER_NET_PACKET_TOO_LARGE',
  'ER_SIGNAL_EXCEPTION',
]);

/**
 * What to store instead of links that were refused together: each half of them, so that the one at fault is
 * found. Alone, it loses its dimensions and visitors first. Nothing: its clicks are lost. Pure.
 */
export function splitRefused(links: readonly LinkClicks[]): LinkClicks[][] {
  const [first] = links;
  if (first === undefined) return [];
  if (links.length > 1) {
    const half = Math.ceil(links.length / 2);
    return [links.slice(0, half), links.slice(half)];
  }
  return first.values.length + first.visitors.length === 0 ? [] : [[withoutDimensions(first)]];
}
