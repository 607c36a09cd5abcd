import { hasKeyShape, MAX_ALIAS_CHARACTERS } from './alias.ts';
import { MIN_KEY_LENGTH } from './key.ts';
import { isReserved } from './reserved.ts';
import { findTypedKey } from './typed-key.ts';

/** What `urls.unique_id` holds, in bytes. */
export const MAX_CODE_BYTES = 255;

/** A longer text cannot become a code: no byte takes more than three characters. */
const MAX_TEXT_CHARACTERS = 3 * MAX_CODE_BYTES;

/** Bytes that stand for themselves in a path (RFC 3986, unreserved), and `/`, which separates segments. */
const PLAIN = /^[A-Za-z0-9\-._~/]$/;

const SPELLED: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  return PLAIN.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
});

/** A code of the alphabet of our own keys is its own canonical form. Most codes are. */
const IS_CANONICAL = new RegExp(`^[A-Za-z0-9_-]{1,${MAX_ALIAS_CHARACTERS}}$`);

/** Characters that were typed or pasted behind a code. Not `+`: that asks for a preview. */
const FORGIVEN = /[[\p{ASCII}\p{P}\p{Z}\p{C}\p{Default_Ignorable_Code_Point}\u2800]--[A-Za-z0-9_\-+]]/v;

const HAS_CONTROL = /\p{Cc}/u;

/** Why a code is not kept. */
export type CodeFault =
  'empty' | 'too-long' | 'control' | 'segments' | 'reserved' | 'preview' | 'forgiven' | 'not-text';

/**
 * The one spelling of a code that another shortener made, such as `bücher`, `b%c3%bccher` or `team/plan`:
 * percent-encoded, except for unreserved characters and `/`. It is the key of the link in the database, and
 * any spelling of its path has the same canonical form.
 */
export function canonicalCode(text: string): string {
  if (IS_CANONICAL.test(text)) return text;
  return Array.from(bytesOf(text), (byte) => SPELLED[byte]).join('');
}

/**
 * Why no link can have this code of another shortener. Undefined when one can.
 *
 * Such a code may be shorter or longer than ours, and contain other characters. It must not take over what
 * people type for another link: `abc12345.` is the link `abc12345` with the dot of a sentence, `abc12345的`
 * the same one with a word of a language without blanks (`typed-key`), and `abc12345+` is its preview.
 */
export function findCodeFault(text: string): CodeFault | undefined {
  if (text === '') return 'empty';
  if (text.length > MAX_TEXT_CHARACTERS) return 'too-long';
  if (!text.isWellFormed()) return 'not-text';
  if (canonicalCode(text).length > MAX_CODE_BYTES) return 'too-long';
  const decoded = bytesOf(text).toString();
  if (HAS_CONTROL.test(decoded)) return 'control';
  const segments = decoded.split('/');
  // Browsers and proxies take these out of a path.
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..')) return 'segments';
  const [first = ''] = segments;
  // Paths that begin with a dot are the Web's own: certificates of a domain hang on `.well-known` (RFC 8615).
  if (first.startsWith('.') || isReserved(first)) return 'reserved';
  if (decoded.endsWith('+')) return 'preview';
  return withoutTypedEnd(decoded) !== decoded || takesOver(text, decoded) ? 'forgiven' : undefined;
}

/**
 * The key in the database that a text means: a key of ours as it is, a code of another shortener in its one
 * spelling. Undefined: it can be neither.
 * @param text percent-encoded or not, or in parts
 */
export function findStoredKey(text: string): string | undefined {
  return hasKeyShape(text) ? text : findForeignKey(text);
}

/** The same for a text that is no key of ours. */
export function findForeignKey(text: string): string | undefined {
  return findCodeFault(text) === undefined ? canonicalCode(text) : undefined;
}

/**
 * The code of another shortener that a person meant who typed or pasted its path with the text around it:
 * `team/plan/`, `team/plan).`. Undefined: nothing is around it, or it is no code.
 */
export function findTypedForeignKey(text: string): string | undefined {
  if (text.length > MAX_TEXT_CHARACTERS) return undefined;
  const decoded = bytesOf(text).toString();
  const code = withoutTypedEnd(decoded);
  // Bytes that are no text cannot be spelled again.
  return code === decoded || decoded.includes('\ufffd') ? undefined : findForeignKey(canonicalCode(code));
}

/**
 * Whether a code would take over what people type for another key, behind which something outside ASCII
 * stands. A short word with letters behind it is a word: `café`.
 */
function takesOver(text: string, decoded: string): boolean {
  const key = findTypedKey(text);
  if (key === undefined) return false;
  return key.length >= MIN_KEY_LENGTH || !/[\p{L}\p{N}]/u.test(decoded.slice(key.length));
}

/**
 * From the end on: an expression would begin a search at every character, and anybody may send long paths.
 */
function withoutTypedEnd(text: string): string {
  const characters = Array.from(text);
  while (FORGIVEN.test(characters.at(-1) ?? '')) characters.pop();
  return characters.join('');
}

/** The bytes that a path means. A `%` without two hexadecimal digits behind it means itself. */
function bytesOf(text: string): Buffer {
  if (!text.includes('%')) return Buffer.from(text);
  const parts = text.split(/%([0-9a-f]{2})/i);
  return Buffer.concat(parts.map((part, i) => Buffer.from(part, i % 2 === 0 ? 'utf8' : 'hex')));
}
