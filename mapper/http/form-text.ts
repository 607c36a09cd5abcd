import { isUtf8 } from 'node:buffer';
import { Problem } from './problem.ts';

/*
 * Parsers of forms and queries put U+FFFD for bytes that are not UTF-8. The text is lost then, so none is
 * taken.
 */

const REPLACEMENT = '\uFFFD';

/**
 * The fields of a form of type `application/x-www-form-urlencoded`.
 * @throws Problem 400 not UTF-8
 */
export function parseForm(body: Buffer): URLSearchParams {
  const bytes = body.toString('latin1');
  if (!isUtf8(body) || !isUtf8Encoded(bytes)) throw notUtf8();
  return new URLSearchParams(new TextDecoder().decode(body));
}

/**
 * Whether the percent-encoded bytes of a query or a form are UTF-8.
 * @param text one byte a character
 */
export function isUtf8Encoded(text: string): boolean {
  if (!text.includes('%')) return true;
  const decoded = text.replaceAll(/%[\da-f]{2}/gi, (code) =>
    String.fromCharCode(Number.parseInt(code.slice(1), 16)),
  );
  return isUtf8(Buffer.from(decoded, 'latin1'));
}

/**
 * For a field of a form of type `multipart/form-data`: its parser does not show the bytes. So a field that
 * really contains U+FFFD is refused too.
 * @returns what is wrong; undefined: nothing
 */
export function whyNotText(value: string): Problem | undefined {
  return value.includes(REPLACEMENT) ? notUtf8() : undefined;
}

function notUtf8(): Problem {
  return new Problem('malformed-form', { detail: 'The form is not valid UTF-8.' });
}
