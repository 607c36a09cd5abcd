import { MAX_ALIAS_CHARACTERS, MIN_ALIAS_CHARACTERS } from './alias.ts';

/**
 * A key, then only characters that no key has. `+` right behind the key is left out: `/{unique_id}+` is the
 * preview of a link.
 */
const TYPED = new RegExp(
  `^([A-Za-z0-9_-]{${MIN_ALIAS_CHARACTERS},${MAX_ALIAS_CHARACTERS}})[^A-Za-z0-9_+-][^A-Za-z0-9_-]*$`,
);

/** A longer text was neither typed nor pasted. Decoding it would take long. */
const MAX_TEXT_CHARACTERS = 256;

/**
 * The key that a person meant who typed or pasted a link with the text around it: `abc123/`, `abc123).`,
 * `abc123%E2%80%8B`. Undefined when the text has the shape of a key itself, or does not begin with a key,
 * or is too long to be looked at.
 *
 * @param text of a path, without the slash before it. Percent-encoded or not, in any encoding: characters
 *   that ASCII lacks never contain the bytes of a key
 */
export function findTypedKey(text: string): string | undefined {
  if (text.length > MAX_TEXT_CHARACTERS) return undefined;
  return TYPED.exec(decodeBytes(text))?.[1];
}

/** `+`, and behind it what a sentence may add. */
const PREVIEW = /^(.+?)(?:\+|%2b)[^A-Za-z0-9_+%-]*$/i;

/**
 * What stands before the `+` of a preview, `abc123+` for example. Undefined: it is none.
 * @param text of a path, without the slash before it
 */
export function findPreviewed(text: string): string | undefined {
  return text.includes('+') || /%2b/i.test(text) ? PREVIEW.exec(text)?.[1] : undefined;
}

/** One character for each encoded byte. Unlike `decodeURIComponent` it accepts everything. */
export function decodeBytes(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
