/**
 * Keys that begin or end with `-` or `_`. Programs that find links in a text cut such a character off:
 * Markdown drops a `_` at the end, mail readers a `-`. Therefore no such key is generated: its id is a gap.
 * These gaps (6 % of the ids) are not recorded, because the key shows them.
 *
 * Releases before this rule generated such keys. Their rows are keys like any other.
 */

const DASH = 0x2d;
const UNDERSCORE = 0x5f;

/** The share of the ids that have a key: 62 of 64 characters may stand at each end. */
export const SHARE_WITH_KEY = (62 / 64) ** 2;

/** Whether a key or alias begins or ends with `-` or `_`. */
export function hasLooseEnd(key: string): boolean {
  return isLoose(key.charCodeAt(0)) || isLoose(key.charCodeAt(key.length - 1));
}

/** The same for the key of `length` ASCII characters that begins at `start` in `bytes`. */
export function hasLooseEndAt(bytes: Uint8Array, start: number, length: number): boolean {
  return isLoose(bytes[start] ?? 0) || isLoose(bytes[start + length - 1] ?? 0);
}

function isLoose(code: number): boolean {
  return code === DASH || code === UNDERSCORE;
}

/** About how many keys a range of so many ids has. Ranges that an earlier release generated have more. */
export function keysAmong(ids: number): number {
  return Math.floor(ids * SHARE_WITH_KEY);
}

/** About how many ids a range needs to have so many keys. */
export function idsFor(keys: number): number {
  return Math.ceil(keys / SHARE_WITH_KEY);
}
