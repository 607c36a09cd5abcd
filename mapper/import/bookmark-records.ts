import { faultOf, type Fault } from './reasons.ts';
import { MAX_RECORD_CHARACTERS, type FileRecord, type RecordReader } from './record.ts';

/* These look at each character a few times at most: a file says what they search in. */

const ATTRIBUTE = /(?<=\s)([a-z][a-z0-9_-]*)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/gi;
/**
 * A bookmark or the name of a folder, with the description behind it. It ends where the next one begins, also
 * if it is not closed. What follows shows whether there is a description.
 */
const ENTRY = new RegExp(
  [
    String.raw`<(a|h3)\b((?:"[^"]*"|'[^']*'|[^'"<>])*)(?:>|(?=<))`,
    String.raw`((?:[^<]|<(?!(?:\/?dl|\/\1|a|h3)\b))*)`,
    String.raw`(?:<\/\1\b[^<>]*(?:>|(?=<))|(?=<(?:\/?dl|a|h3)\b[^]))`,
    String.raw`(?:\s*<dd>([^<]*)(?=<)|(?=\s*(?:[^<\s]|<(?!dd>)[^]{3})))`,
  ].join(''),
  'iy',
);
const ANY_TAG = '<br>';
const OPENING = /<(?:a|h3)\b|<\/?dl\b/gi;
/** So much of a tag may be missing at the end of a piece. */
const OPENING_CHARACTERS = 5;

const MAX_FOLDERS = 100;
/** Of its name. */
const MAX_FOLDER_CHARACTERS = 200;

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: '\u00a0',
};

/**
 * Reads bookmarks as browsers export them: `<A HREF="…" ADD_DATE="…" TAGS="…">title</A>`, in the "Netscape
 * bookmark file" that all of them write. The attributes become fields with small letters; `title` is the
 * text of the link, `folder` the names of the folders around it, `description` what follows it in a `<DD>`.
 */
export class BookmarkRecords implements RecordReader {
  line = 1;
  /** The names of the folders around each folder that is open, and its own. */
  readonly #folders: string[] = [];
  /** The name in front of the next list. */
  #name = '';
  #text = '';
  /** Up to where `#text` is read. */
  #at = 0;
  /** The next line end behind `#at`. */
  #lineEnd = -1;

  push(text: string): Iterable<FileRecord> {
    this.#text = this.#text.slice(this.#at) + text;
    this.#at = 0;
    this.#lineEnd = this.#text.indexOf('\n');
    return this.#read(false);
  }

  end(): Iterable<FileRecord> {
    this.#text += ANY_TAG;
    return this.#read(true);
  }

  *#read(isLast: boolean): Generator<FileRecord> {
    for (;;) {
      OPENING.lastIndex = this.#at;
      const opening = OPENING.exec(this.#text);
      const { length } = this.#text;
      if (opening === null || (!isLast && opening.index + opening[0].length >= length)) {
        // The end may be the beginning of a tag.
        this.#goTo(isLast ? length : Math.max(this.#at, length - OPENING_CHARACTERS));
        return;
      }
      this.#goTo(opening.index);
      const tag = opening[0].toLowerCase();
      if (tag.endsWith('dl')) this.#turn(tag);
      else {
        const record = this.#readEntry(tag, isLast);
        if (record === undefined) return;
        if (record !== 'folder') {
          yield record;
          continue;
        }
      }
      this.#goTo(Math.max(this.#at, opening.index + tag.length));
    }
  }

  /** A bookmark or the name of a folder, behind which it goes. Undefined: it goes on in the next piece. */
  #readEntry(tag: string, isLast: boolean): FileRecord | 'folder' | undefined {
    const { line } = this;
    ENTRY.lastIndex = this.#at;
    const entry = ENTRY.exec(this.#text);
    const length = entry?.[0].length ?? this.#text.length - this.#at;
    if (length > MAX_RECORD_CHARACTERS || (entry === null && isLast)) {
      this.#goTo(this.#at + tag.length);
      return { line, fault: entryFault(length) };
    }
    if (entry === null) return undefined;
    this.#goTo(this.#at + length);
    const [, , attributes = '', label = '', description = ''] = entry;
    if (tag !== '<h3')
      return { line, fields: { ...this.#fieldsOf(attributes, label), description: textOf(description) } };
    this.#name = textOf(label).slice(0, MAX_FOLDER_CHARACTERS);
    return 'folder';
  }

  #fieldsOf(attributes: string, label: string): Readonly<Record<string, unknown>> {
    const named = Array.from(attributes.matchAll(ATTRIBUTE), ([, name = '', ...values]) => [
      name.toLowerCase(),
      decodeEntities(values.find((value) => value !== undefined) ?? ''),
    ]);
    const folder = this.#folders.at(-1) ?? '';
    return Object.fromEntries([...named, ['title', textOf(label)], ['folder', folder]]);
  }

  #turn(tag: string): void {
    if (tag === '</dl') this.#folders.pop();
    else if (this.#folders.length < MAX_FOLDERS) {
      const around = this.#folders.at(-1) ?? '';
      this.#folders.push([around, this.#name].filter((name) => name !== '').join(' / '));
    }
    this.#name = '';
  }

  #goTo(at: number): void {
    for (
      ;
      this.#lineEnd >= 0 && this.#lineEnd < at;
      this.#lineEnd = this.#text.indexOf('\n', this.#lineEnd + 1)
    )
      this.line += 1;
    this.#at = at;
  }
}

function entryFault(length: number): Fault {
  return length > MAX_RECORD_CHARACTERS
    ? faultOf('too-long', null, `the bookmark has more than ${MAX_RECORD_CHARACTERS} characters`)
    : faultOf('cut-off', null, 'the file ends in the middle of a bookmark');
}

function textOf(html: string): string {
  return decodeEntities(html.replace(/<[^<>]*>/g, '')).trim();
}

function decodeEntities(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,5}));/gi, (whole, decimal, hex, name) => {
    if (typeof name === 'string') return ENTITIES[name.toLowerCase()] ?? whole;
    const point = decimal === undefined ? Number.parseInt(String(hex), 16) : Number(decimal);
    const isCharacter = point > 0 && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
    return isCharacter ? String.fromCodePoint(point) : whole;
  });
}
