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
      value = joined(value, text.slice(colon + ': '.length, end), name);
    }
    at = end + LINE_BREAK.length;
  }
}

/** Reads several header fields in one pass over a head, as {@link headerIn} would give each of them. */
export class HeadReader {
  readonly #names: readonly string[];
  /** What is read where there is none of them. */
  readonly #none: readonly undefined[];
  /** By the code of a first letter: where the names that begin with it stand. Most lines end here. */
  readonly #places: readonly (readonly number[] | undefined)[];

  /** @param names different ones, in lower case */
  constructor(names: readonly string[]) {
    this.#names = names;
    this.#none = names.map(() => undefined);
    const places = new Map<number, number[]>();
    for (const [place, name] of names.entries()) {
      const first = name.charCodeAt(0);
      places.set(first, [...(places.get(first) ?? []), place]);
    }
    this.#places = Array.from({ length: 128 }, (_, code) => places.get(code));
  }

  /** @returns the values in the order of the names; views of the text, so only copies may be stored */
  read(text: string, start: number): (string | undefined)[] {
    const values: (string | undefined)[] = this.#none.slice();
    let at = text.indexOf(LINE_BREAK, start) + LINE_BREAK.length;
    for (;;) {
      const end = text.indexOf(LINE_BREAK, at);
      if (end <= at) return values;
      const place = this.#placeOf(text, at);
      if (place >= 0) {
        const name = this.#names[place] as string;
        values[place] = joined(values[place], text.slice(at + name.length + ': '.length, end), name);
      }
      at = end + LINE_BREAK.length;
    }
  }

  /** Which of the names stands at `at`, with a colon behind it. Negative: none. Makes no text of its own. */
  #placeOf(text: string, at: number): number {
    const places = this.#places[text.charCodeAt(at) | TO_LOWER_CASE];
    if (places === undefined) return -1;
    for (const place of places) if (isNamed(text, at, this.#names[place] as string)) return place;
    return -1;
  }
}

const COLON = ':'.charCodeAt(0);
const HYPHEN = '-'.charCodeAt(0);
/** This bit tells small letters of ASCII from capital ones. A hyphen has it too. */
const TO_LOWER_CASE = 0x20;

function isNamed(text: string, at: number, name: string): boolean {
  if (text.charCodeAt(at + name.length) !== COLON) return false;
  for (let i = 0; i < name.length; i += 1) {
    const code = text.charCodeAt(at + i);
    const wanted = name.charCodeAt(i);
    if (code !== wanted && (wanted === HYPHEN || (code | TO_LOWER_CASE) !== wanted)) return false;
  }
  return true;
}

/** The value of a field of which one more line has come. */
function joined(before: string | undefined, value: string, name: string): string {
  if (before === undefined) return value;
  return SINGLE.has(name) ? before : `${before}, ${value}`;
}

/**
 * A head that Node has parsed, in the form in which {@link HeadReader} reads it. Its request line is empty.
 */
export function toRawHead(rawHeaders: readonly string[]): string {
  const parts = [LINE_BREAK];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2)
    parts.push(rawHeaders[i] as string, ': ', rawHeaders[i + 1] as string, LINE_BREAK);
  parts.push(LINE_BREAK);
  // One text, and not a tree of texts that would take several times the memory of its characters.
  return parts.join('');
}
