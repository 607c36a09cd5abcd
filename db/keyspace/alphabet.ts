/**
 * The 64 characters of a key in order of value: base64url (RFC 4648, section 5). Safe in a path without
 * escaping.
 */
export const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

export const BITS_PER_CHARACTER = 6;

/** Character code of each value. */
export const CODE_OF_VALUE = Uint8Array.from(ALPHABET, (character) => character.charCodeAt(0));

const INVALID = 255;

const VALUE_OF_CODE = new Uint8Array(128).fill(INVALID);
CODE_OF_VALUE.forEach((code, value) => {
  VALUE_OF_CODE[code] = value;
});

/** Value of the character at `index`, or undefined when the alphabet does not have it. */
export function valueAt(text: string, index: number): number | undefined {
  const value = VALUE_OF_CODE[text.charCodeAt(index)];
  return value === INVALID ? undefined : value;
}
