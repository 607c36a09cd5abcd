/**
 * The canonical text of a JSON value by RFC 8785: no blanks, and the members of an object in the order of
 * their UTF-16 code units. Numbers and strings are written as `JSON.stringify` does, which is what the RFC
 * asks for.
 *
 * One difference: a lone surrogate is no error. It is written as an escape (`\ud800`), so that different
 * values still have different texts.
 *
 * @param value parsed JSON: no `undefined`, no NaN, no functions
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(',')}}`;
}
