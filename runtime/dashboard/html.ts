/** Text that is HTML already. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = Html | string | number | false | null | undefined | readonly Part[];

/** HTML in which every value is escaped that is not HTML itself. Lists are joined; nothing stays nothing. */
export function html(texts: TemplateStringsArray, ...parts: readonly Part[]): Html {
  const known = compact(texts);
  let text = known[0] ?? '';
  for (const [index, part] of parts.entries()) text += toText(part) + (known[index + 1] ?? '');
  return new Html(text);
}

const compacted = new WeakMap<TemplateStringsArray, readonly string[]>();

/** Without the indentation of the source, which is a third of a page. */
function compact(texts: TemplateStringsArray): readonly string[] {
  let known = compacted.get(texts);
  if (known === undefined) {
    known = texts.map((text) => text.replace(/\n\s+/g, '\n'));
    compacted.set(texts, known);
  }
  return known;
}

function toText(part: Part): string {
  if (part instanceof Html) return part.text;
  if (part === undefined || part === null || part === false) return '';
  if (typeof part === 'number') return String(part);
  if (typeof part === 'string') return NEEDS_ESCAPE.test(part) ? escape(part) : part;
  let text = '';
  for (const one of part) text += toText(one);
  return text;
}

const NEEDS_ESCAPE = /[&<>"']/;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
