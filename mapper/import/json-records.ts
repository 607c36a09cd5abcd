import { faultOf, quote, type Fault } from './reasons.ts';
import { MAX_RECORD_CHARACTERS, type Fields, type FileRecord, type RecordReader } from './record.ts';

const DEPTH: Readonly<Record<string, number>> = { '{': 1, '[': 1, '}': -1, ']': -1 };

/** JSON.parse reads brackets in brackets of any depth. Code that works with them needs stack for each. */
const MAX_DEPTH = 50;

const STRUCTURE = /["{}[\],]/g;
const IN_STRING = /["\\]/g;
const NO_BLANK = /[^ \t\r\n]/;

/** In front of the `[` of a list of links, in what the interfaces of other shorteners answer. */
const LIST_BEGINS = /"(?:links|data|items)"\s*:\s*\[$/;
const LIST_BEGINS_CHARACTERS = 64;
const LISTS = ['links', 'data', 'items'];

/**
 * Finds the links in a JSON document, without the document in memory: the elements of `[…]`, or of a list in
 * an object (`links`, `data` or `items`), whose other fields become the `envelope`. An object without such a
 * list is one link. Several documents, such as the pages of a list, may follow each other.
 *
 * Only brackets, quotes and commas are looked at here. `JSON.parse` judges each element.
 */
export class JsonRecords implements RecordReader {
  line = 1;
  envelope: Fields | undefined;
  /** Open brackets. */
  #depth = 0;
  /** The depth between the elements of the list. Undefined: outside of a list. */
  #listDepth: number | undefined;
  #isInString = false;
  /** The last character was a backslash in a string. */
  #isEscaped = false;
  /** The element, or outside of the list the document around it, as far as it is read. */
  readonly #part = new Part();
  /** The document in front of its list. */
  #head: string | undefined;
  /** The brackets do not fit: nothing more can be told apart. */
  #isBroken = false;

  *push(text: string): Generator<FileRecord> {
    let from = 0;
    for (let at = 0; at < text.length && !this.#isBroken;) {
      if (this.#isEscaped) {
        this.#isEscaped = false;
        at += 1;
        continue;
      }
      const token = this.#isInString ? IN_STRING : STRUCTURE;
      token.lastIndex = at;
      const found = token.exec(text);
      if (found === null) break;
      at = found.index + 1;
      const character = found[0];
      if (character === '"') this.#isInString = !this.#isInString;
      else if (character === '\\') this.#isEscaped = true;
      else if (!this.#isAtEdge(character)) this.#depth += DEPTH[character] ?? 0;
      else {
        this.#keep(text.slice(from, found.index));
        from = at;
        if (this.#depth === this.#listDepth) yield* this.#closeElement();
        if (character !== ',') {
          this.#keep(character);
          yield* this.#turn(character);
        }
      }
    }
    this.#keep(text.slice(from));
  }

  *end(): Generator<FileRecord> {
    if (this.#isBroken || (this.#part.isEmpty && this.#depth === 0)) return;
    const { line } = this.#part.isEmpty ? this : this.#part;
    yield { line, fault: faultOf('cut-off', null, 'the file ends in the middle of a JSON value') };
  }

  /** Whether a list, an element or a document may begin or end at a character outside of strings. */
  #isAtEdge(character: string): boolean {
    if (this.#depth === this.#listDepth) return character !== '{' && character !== '[';
    if (this.#listDepth !== undefined || character === ',') return false;
    return this.#depth < 2;
  }

  *#closeElement(): Generator<FileRecord> {
    if (!this.#part.isEmpty) yield parseElement(this.#part);
    this.#part.clear();
  }

  /** Opens or closes a bracket, which is the last character that was kept. */
  *#turn(bracket: string): Generator<FileRecord> {
    if (bracket === '{' || bracket === '[') {
      this.#depth += 1;
      if (this.#listDepth === undefined && this.#opensList(bracket)) {
        this.#listDepth = this.#depth;
        this.#head = this.#part.text;
        this.#part.clear();
      }
      return;
    }
    if (this.#depth === 0 || (this.#depth === this.#listDepth && bracket === '}')) {
      this.#isBroken = true;
      const message = `${quote(bracket)} closes a bracket that is not open; nothing behind it is read`;
      yield { line: this.line, fault: faultOf('not-json', null, message) };
      return;
    }
    if (this.#depth === this.#listDepth) this.#listDepth = undefined;
    this.#depth -= 1;
    if (this.#depth === 0) yield* this.#closeDocument();
  }

  #opensList(bracket: string): boolean {
    if (bracket !== '[' || this.#depth > 2 || this.#head !== undefined) return false;
    return this.#depth === 1 || LIST_BEGINS.test(this.#part.tail);
  }

  *#closeDocument(): Generator<FileRecord> {
    const head = this.#head;
    if (head === undefined) yield parseElement(this.#part);
    else {
      const fault = this.#judgeAround(head);
      if (fault !== undefined) yield { line: this.line, fault };
    }
    this.#head = undefined;
    this.#part.clear();
  }

  /** What is wrong with a document around its list. */
  #judgeAround(head: string): Fault | undefined {
    const isList = head === '[';
    if (!isList) this.envelope = parseObject(head + this.#part.text);
    if (this.#part.isTooLong || (isList ? this.#part.text !== ']' : this.envelope === undefined))
      return faultOf('not-json', null, 'the fields around the list are no JSON');
    const second = isList ? undefined : LISTS.find((name) => hasElements(this.envelope?.[name]));
    return second === undefined
      ? undefined
      : faultOf('wrong-format', null, `the document has a second list, ${quote(second)}, which is not read`);
  }

  #keep(text: string): void {
    this.line = this.#part.add(text, this.line);
  }
}

/** One JSON document in each line, such as our own export. A line that is wrong spoils no other. */
export class NdjsonRecords implements RecordReader {
  line = 1;
  readonly #part = new Part();

  *push(text: string): Generator<FileRecord> {
    let from = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      this.#part.add(text.slice(from, end), this.line);
      yield* this.end();
      this.line += 1;
      from = end + 1;
    }
    this.#part.add(text.slice(from), this.line);
  }

  *end(): Generator<FileRecord> {
    if (!this.#part.isEmpty) yield parseElement(this.#part);
    this.#part.clear();
  }
}

/** A part of the text, without the blanks in front of it, and the line on which it begins. */
class Part {
  text = '';
  line = 1;
  /** The end of the text. To cut it off the text, V8 would copy all of it each time. */
  tail = '';

  get isEmpty(): boolean {
    return this.text === '';
  }

  get isTooLong(): boolean {
    return this.text.length > MAX_RECORD_CHARACTERS;
  }

  /**
   * Keeps a piece, up to the length from which on the part is too long.
   * @param line on which the piece begins
   * @returns on which it ends
   */
  add(piece: string, line: number): number {
    const start = this.isEmpty ? piece.search(NO_BLANK) : 0;
    if (this.isEmpty && start >= 0) this.line = line + countLines(piece, start);
    if (start >= 0 && !this.isTooLong) this.text += piece.slice(start, start + MAX_RECORD_CHARACTERS + 1);
    this.tail = (this.tail + piece.slice(-LIST_BEGINS_CHARACTERS)).slice(-LIST_BEGINS_CHARACTERS);
    return line + countLines(piece, piece.length);
  }

  clear(): void {
    this.text = '';
    this.tail = '';
  }
}

function parseElement(part: Part): FileRecord {
  const { line } = part;
  if (part.isTooLong) {
    const message = `the value has more than ${MAX_RECORD_CHARACTERS} characters`;
    return { line, fault: faultOf('too-long', null, message) };
  }
  const fields = parseObject(part.text);
  if (fields !== undefined && isDeeperThan(MAX_DEPTH, fields))
    return {
      line,
      fault: faultOf('not-json', null, `the object has more than ${MAX_DEPTH} brackets in brackets`),
    };
  if (fields !== undefined) return { line, fields };
  return { line, fault: faultOf('not-json', null, `${quote(part.text.trim())} is no JSON object`) };
}

/** Undefined: the text is a value of another kind, or no JSON. */
function parseObject(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Fields)
      : undefined;
  } catch {
    return undefined;
  }
}

function isDeeperThan(depth: number, value: object): boolean {
  if (depth === 0) return true;
  return Object.values(value).some(
    (inner: unknown) => typeof inner === 'object' && inner !== null && isDeeperThan(depth - 1, inner),
  );
}

function hasElements(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0;
}

function countLines(text: string, end: number): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0 && at < end; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}
