import { faultOf, type Fault } from './reasons.ts';
import { MAX_RECORD_CHARACTERS, type Fields, type FileRecord, type RecordReader } from './record.ts';

export interface CsvDialect {
  readonly delimiter: string;
  /** A cell without quotes that means "no value", such as `NULL`. */
  readonly nullWord?: string | undefined;
}

type Cells = readonly (string | null)[];

/** What begins at some place of the text: a row, or a fault that becomes clear at `end`. */
type Parsed = { readonly end: number } & ({ readonly cells: Cells } | { readonly fault: Fault });

const LINE_END = /\r\n?|\n/g;
const QUOTE_OR_LINE_END = /["\r\n]/g;

/**
 * Reads a table as RFC 4180 describes it: cells in quotes may contain delimiters, line ends and doubled
 * quotes. A quote in the middle of a cell without quotes is itself. Lines end in LF, CRLF or CR; empty lines
 * are no rows. The first row names the columns.
 *
 * A row whose quotes do not fit costs one line: reading goes on with the line after its first one, because a
 * quote that nobody closed would swallow the rest of the file. So does a row that is too long.
 */
export class CsvRecords implements RecordReader {
  line = 1;
  /** The names of the columns, once they have been read. */
  header: readonly string[] | undefined;
  readonly #dialect: CsvDialect;
  #text = '';
  /** Where the next record begins in `#text`. */
  #at = 0;
  /** Inside a line that is left out. */
  #isSkipping = false;
  /** The header is wrong: no row can be read. */
  #isOver = false;

  constructor(dialect: CsvDialect) {
    this.#dialect = dialect;
  }

  push(text: string): Iterable<FileRecord> {
    this.#text = this.#isOver ? '' : this.#text.slice(this.#at) + text;
    this.#at = 0;
    return this.#read(false);
  }

  end(): Iterable<FileRecord> {
    return this.#read(true);
  }

  *#read(isLast: boolean): Generator<FileRecord> {
    while (this.#at < this.#text.length && !this.#isOver) {
      if (this.#isSkipping && !this.#skipLine(isLast)) return;
      if (this.#at >= this.#text.length) return;
      const parsed = limit(parseRow(this.#text, this.#at, this.#dialect, isLast), this.#text, this.#at);
      if (parsed === undefined) return;
      const { line } = this;
      if ('fault' in parsed) {
        this.#isSkipping = true;
        this.#isOver = this.header === undefined;
        yield { line, fault: this.#isOver ? ofHeader(parsed.fault) : parsed.fault };
        continue;
      }
      this.line += countLineEnds(this.#text, this.#at, parsed.end);
      this.#at = parsed.end;
      const record = this.#recordOf(line, parsed.cells);
      if (record !== undefined) yield record;
    }
  }

  /** Goes behind the next line end. False: it is not here yet. */
  #skipLine(isLast: boolean): boolean {
    const end = findLineEnd(this.#text, this.#at, isLast);
    if (end === undefined) {
      // A CR stays: the LF that belongs to it may be in the next piece.
      this.#at = this.#text.endsWith('\r') && !isLast ? this.#text.length - 1 : this.#text.length;
      return false;
    }
    this.#at = end;
    this.line += 1;
    this.#isSkipping = false;
    return true;
  }

  #recordOf(line: number, cells: Cells): FileRecord | undefined {
    if (cells.length === 1 && cells[0] === '') return undefined;
    if (this.header === undefined) {
      this.header = nameColumns(cells);
      return undefined;
    }
    const { header } = this;
    const isEmptyBeyond = cells.slice(header.length).every((cell) => cell === '');
    if (cells.length < header.length || !isEmptyBeyond) {
      const message = `the row has ${cells.length} cells, the header ${header.length}`;
      return { line, fault: faultOf('cells', null, message) };
    }
    return { line, fields: nameCells(header, cells) };
  }
}

function ofHeader({ reason, message }: Fault): Fault {
  return faultOf(reason, null, `the header: ${message}; nothing behind it is read`);
}

/** A name of its own for each column. One without name, or with the name of another one, gets its number. */
function nameColumns(cells: Cells): string[] {
  const names = new Set<string>();
  return cells.map((cell, i) => {
    const name = (cell ?? '').trim();
    const own =
      name === '' || name === '__proto__' || names.has(name) ? `${name} (column ${i + 1})`.trim() : name;
    names.add(own);
    return own;
  });
}

function nameCells(header: readonly string[], cells: Cells): Fields {
  const fields: Record<string, unknown> = {};
  for (const [i, name] of header.entries()) fields[name] = cells[i];
  return fields;
}

/** Undefined: the row goes on in the next piece of the text. */
function parseRow(text: string, start: number, dialect: CsvDialect, isLast: boolean): Parsed | undefined {
  QUOTE_OR_LINE_END.lastIndex = start;
  const first = QUOTE_OR_LINE_END.exec(text);
  if (first?.[0] === '"') return parseQuoted(text, start, dialect, isLast);
  const end = findLineEnd(text, start, isLast);
  if (end === undefined) return isLast ? plainRow(text.slice(start), text.length, dialect) : undefined;
  return plainRow(text.slice(start, first?.index), end, dialect);
}

function plainRow(line: string, end: number, { delimiter, nullWord }: CsvDialect): Parsed {
  const cells = line.split(delimiter);
  return {
    end,
    cells: cells.includes(nullWord ?? '\n') ? cells.map((cell) => noNull(cell, nullWord)) : cells,
  };
}

function noNull(cell: string, nullWord: string | undefined): string | null {
  return cell === nullWord ? null : cell;
}

/** A row that contains a quote. */
function parseQuoted(text: string, start: number, dialect: CsvDialect, isLast: boolean): Parsed | undefined {
  const { delimiter, nullWord } = dialect;
  const cells: (string | null)[] = [];
  for (let at = start; ; at += delimiter.length) {
    if (text.charAt(at) === '"') {
      const close = findClosing(text, at + 1, isLast);
      if (close === undefined)
        return isLast ? quoteFault(text.length, 'a quote that opens in this row is not closed') : undefined;
      cells.push(text.slice(at + 1, close).replaceAll('""', '"'));
      at = close + 1;
    } else {
      const cellEnd = findCellEnd(text, at, delimiter);
      cells.push(noNull(text.slice(at, cellEnd), nullWord));
      at = cellEnd;
    }
    if (at >= text.length) return isLast ? { end: at, cells } : undefined;
    if (text.startsWith(delimiter, at)) continue;
    const character = text.charAt(at);
    if (character !== '\r' && character !== '\n')
      return quoteFault(at, `${JSON.stringify(character)} follows the closing quote of a cell`);
    const end = findLineEnd(text, at, isLast);
    return end === undefined ? undefined : { end, cells };
  }
}

function quoteFault(end: number, message: string): Parsed {
  return { end, fault: faultOf('quotes', null, message) };
}

/** The place of the quote that closes a cell. Undefined: it is not here, or may be one of two. */
function findClosing(text: string, from: number, isLast: boolean): number | undefined {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 2)) {
    if (at + 1 === text.length) return isLast ? at : undefined;
    if (text.charAt(at + 1) !== '"') return at;
  }
  return undefined;
}

function findCellEnd(text: string, from: number, delimiter: string): number {
  for (let at = from; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === delimiter || character === '\n' || character === '\r') return at;
  }
  return text.length;
}

/** Behind the next line end. Undefined: there is none, or a CR is the last character and LF may follow. */
function findLineEnd(text: string, from: number, isLast: boolean): number | undefined {
  LINE_END.lastIndex = from;
  const found = LINE_END.exec(text);
  if (found === null) return undefined;
  const end = found.index + found[0].length;
  return found[0] === '\r' && end === text.length && !isLast ? undefined : end;
}

function countLineEnds(text: string, from: number, to: number): number {
  let count = 0;
  LINE_END.lastIndex = from;
  for (let found = LINE_END.exec(text); found !== null && found.index < to; found = LINE_END.exec(text))
    count += 1;
  return count;
}

/** Refuses what is too long, at the same place whether it is here as a whole or in part. */
function limit(parsed: Parsed | undefined, text: string, start: number): Parsed | undefined {
  // A line end of two characters is not part of the record.
  const end = parsed?.end ?? text.length;
  if (end - start <= MAX_RECORD_CHARACTERS + 2) return parsed;
  const message = `the row has more than ${MAX_RECORD_CHARACTERS} characters, or a quote in it is not closed`;
  return { end, fault: faultOf('too-long', null, message) };
}
