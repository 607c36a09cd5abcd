/** HTML that may be sent as it is. Only {@link html} and {@link attributes} make it, and {@link trusted}. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

/** What stands in a tag. */
class Attributes extends Html {
  readonly isForTag = true;
}

/** What a template may contain. Text is escaped; false, null and undefined are nothing. */
export type HtmlValue = Html | string | number | bigint | false | null | undefined | readonly HtmlValue[];

/** Where a value stands in a template. */
type Place = 'text' | 'attribute' | 'url' | 'tag';

interface Template {
  readonly literals: readonly string[];
  readonly places: readonly Place[];
}

const templates = new WeakMap<TemplateStringsArray, Template>();

/**
 * A template of HTML. Every value is escaped, unless it is HTML already. A value may stand between tags, in
 * an attribute with double quotes, or, if {@link attributes} has made it, in a tag. URLs of `href`, `src` and
 * `action` that are no web address of ours or others become `#`: `javascript:` is one.
 * @throws TypeError for a value anywhere else: in a script, a style, a handler, an attribute without quotes
 */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let template = templates.get(strings);
  if (template === undefined) templates.set(strings, (template = readTemplate(strings)));
  const { literals, places } = template;
  let text = literals[0] ?? '';
  for (let index = 0; index < values.length; index += 1)
    text += put(values[index], places[index]) + literals[index + 1];
  return new Html(text);
}

/**
 * Attributes for a tag. True: only the name; false, null, undefined: none.
 * @param given by name; the names are ours
 */
export function attributes(
  given: Readonly<Record<string, string | number | boolean | null | undefined>>,
): Attributes {
  let texts = '';
  for (const [name, value] of Object.entries(given)) {
    if (value === false || value === null || value === undefined) continue;
    if (texts !== '') texts += ' ';
    const text = String(value);
    texts += value === true ? name : `${name}="${escapeHtml(URL_NAME.test(name) ? safeUrl(text) : text)}"`;
  }
  return new Attributes(texts);
}

/** Says that a text is HTML. Only for texts of our own: pictures, and what other code has escaped. */
export function trusted(text: string): Html {
  return new Html(text);
}

/** For text between tags, and for values of attributes in quotes. */
export function escapeHtml(text: string): string {
  // Most texts have none of these characters, and one look is cheaper than five.
  if (!NEEDS_ESCAPE.test(text)) return text;
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

const NEEDS_ESCAPE = /[&<>"']/;

/** A URL that a page may lead to: of the web, or a path, query or fragment of ours; else `#`. */
export function safeUrl(url: string): string {
  return /^(?:https?:\/\/|\/(?![/\\])|[?#]|$)/i.test(url) ? url : '#';
}

const URL_NAME = /^(?:href|src|action|formaction)$/;

function put(value: HtmlValue, place: Place | undefined): string {
  if (place === 'tag') {
    if (value === false || value === null || value === undefined) return '';
    if (value instanceof Attributes) return value.text;
    throw new TypeError('only attributes() may stand in a tag');
  }
  if (Array.isArray(value)) return (value as readonly HtmlValue[]).map((one) => put(one, place)).join('');
  if (value === false || value === null || value === undefined) return '';
  if (value instanceof Html) {
    if (place === 'text') return value.text;
    throw new TypeError('HTML may not stand in an attribute');
  }
  const text = String(value);
  return escapeHtml(place === 'url' ? safeUrl(text) : text);
}

/** @throws TypeError */
function readTemplate(strings: TemplateStringsArray): Template {
  // Sources are indented for those who read them.
  const literals = strings.map((literal) => literal.replaceAll(/[ \t]*\n\s*/g, '\n'));
  const places = findPlaces(strings);
  // Without a blank, attributes would be a part of the name of the tag, and their quotes mean nothing.
  const separated = literals.map((literal, at) =>
    places[at] === 'tag' && !/\s$/.test(literal) ? `${literal} ` : literal,
  );
  return { literals: separated, places };
}

/** What opens and closes a tag, and the beginning of a value in quotes behind its name. */
const STEP = /<(script|style)\b|<(?=[a-z/!])|([\w-]+)="|"|>/gi;

function findPlaces(strings: readonly string[]): Place[] {
  const found: Place[] = [];
  let isInTag = false;
  let attribute: string | undefined;
  for (const [index, literal] of strings.entries()) {
    for (const [step, raw, name] of literal.matchAll(STEP)) {
      if (attribute !== undefined) {
        if (step.endsWith('"')) attribute = undefined;
      } else if (isInTag) {
        if (name !== undefined) attribute = name.toLowerCase();
        else if (step === '>') isInTag = false;
      } else if (raw !== undefined) throw new TypeError(`a template may have no <${raw}>`);
      else if (step === '<') isInTag = true;
    }
    if (index === strings.length - 1) break;
    found.push(placeOf(literal, isInTag, attribute));
  }
  return found;
}

function placeOf(literal: string, isInTag: boolean, attribute: string | undefined): Place {
  if (attribute !== undefined) {
    if (/^on|^style$|^srcdoc$/.test(attribute)) throw new TypeError(`no value may stand in ${attribute}`);
    if (!URL_NAME.test(attribute)) return 'attribute';
    if (literal === '') throw new TypeError('a URL may not begin with two values');
    // Behind the beginning of a path of ours, a value cannot make it another address.
    return literal.endsWith('="') ? 'url' : 'attribute';
  }
  if (!isInTag) return 'text';
  if (/=\s*$/.test(literal)) throw new TypeError('a value of an attribute needs double quotes');
  return 'tag';
}
