/* What the head of a usual request says. Only for a text in which one was found at `start`. */

const LINE_BREAK = '\r\n';

/** Of several of these Node takes the first (RFC 9110, 5.3: they are no lists). All others it joins. */
const SINGLE: ReadonlySet<string> = new Set(['user-agent', 'referer']);

/** What follows `?` in the target of the request. Undefined: it has no `?`. */
export function queryIn(text: string, start: number): string | undefined {
  const endOfLine = text.indexOf(' HTTP/1.1\r\n', start);
  const question = text.indexOf('?', start);
  return question < 0 || question > endOfLine ? undefined : text.slice(question + 1, endOfLine);
}

/**
 * The value of a header field, as Node would give it.
 * @param name in lower case
 */
export function headerIn(text: string, start: number, name: string): string | undefined {
  let value: string | undefined;
  let at = text.indexOf(LINE_BREAK, start) + LINE_BREAK.length;
  for (;;) {
    const end = text.indexOf(LINE_BREAK, at);
    if (end <= at) return value;
    const colon = at + name.length;
    if (text.charAt(colon) === ':' && text.slice(at, colon).toLowerCase() === name) {
      const found = text.slice(colon + ': '.length, end);
      if (value === undefined) value = found;
      else if (!SINGLE.has(name)) value = `${value}, ${found}`;
    }
    at = end + LINE_BREAK.length;
  }
}
