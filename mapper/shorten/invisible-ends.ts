/**
 * Characters that nobody sees at the end of a text: white space (Unicode White_Space), control characters as
 * the URL standard cuts them off, and format characters that are not displayed (soft hyphen, zero-width
 * space and joiners, byte order mark, marks of direction). Not the variation selectors and tags: an emoji at
 * the end of a path may end with one. All are in the Basic Multilingual Plane, so one code unit each.
 */
const INVISIBLE = /[\p{White_Space}\0-\x20\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/u;

/** The text without the invisible characters at either end, which come along when a link is copied. */
export function cutInvisibleEnds(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isInvisible(text, start)) start += 1;
  while (end > start && isInvisible(text, end - 1)) end -= 1;
  return start === 0 && end === text.length ? text : text.slice(start, end);
}

function isInvisible(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return (code <= 0x20 || code >= 0x7f) && INVISIBLE.test(text.charAt(at));
}
