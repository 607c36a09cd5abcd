import { BookmarkRecords } from './bookmark-records.ts';
import { CsvRecords } from './csv-records.ts';
import { findFormat, getFormat } from './formats/catalogue.ts';
import { nameOf, type Format, type FormatName } from './formats/format.ts';
import { JsonRecords, NdjsonRecords } from './json-records.ts';
import { faultOf, quote, type Fault } from './reasons.ts';
import type { Fields, RecordReader } from './record.ts';

/** How the text of a file is read. */
export interface Detected {
  readonly format: Format;
  readonly reader: RecordReader;
  readonly delimiter: string | null;
  /** Characters at the beginning that are no record: the line `sep=;` of Excel. */
  readonly skip: number;
}

/** So many characters at the beginning of a file decide what it is. */
export const PROBE_CHARACTERS = 65_536;

const DELIMITERS = [',', ';', '\t', '|'];
const EXCEL_LINE = /^sep=(.)(?:\r\n?|\n)/i;
const HAS_BOOKMARKS = /<!doctype netscape-bookmark|<a\s[^<>]*href/i;
const MAX_LISTED = 20;

/**
 * Finds out how to read a file from its beginning.
 * @param probe its first {@link PROBE_CHARACTERS}, or the whole file if it is shorter
 * @param asked the format that the user names, or `auto`
 */
export function detect(probe: string, asked: FormatName | 'auto'): Detected | Fault {
  const wanted = asked === 'auto' ? undefined : getFormat(asked);
  const first = probe.trimStart().charAt(0);
  if (first === '') return faultOf('unknown-format', null, 'the file is empty');
  if (first === '{' || first === '[') return detectJson(probe, wanted);
  if (first === '<') return detectBookmarks(probe, wanted);
  return detectTable(probe, wanted);
}

function detectJson(probe: string, wanted: Format | undefined): Detected | Fault {
  if (wanted?.source === 'csv' || wanted?.source === 'bookmarks') return notOf(wanted, 'it begins like JSON');
  const byLine = firstFields(new NdjsonRecords(), probe);
  if (wanted?.source === 'ndjson' || (byLine !== undefined && findFormat(['ndjson'], namesOf(byLine))))
    return json(getFormat('ndjson'), new NdjsonRecords());
  const fields = firstFields(new JsonRecords(), probe);
  // An empty list of the format that was asked for is an import of nothing.
  if (fields === undefined && wanted !== undefined) return json(wanted, new JsonRecords());
  if (fields === undefined)
    return faultOf('unknown-format', null, 'the JSON has no link by which to tell its format; say --from');
  const names = namesOf(fields);
  const found = wanted ?? findFormat(['json', 'ndjson'], names);
  if (found === undefined) return unknown(names);
  return hasMarks(found, names)
    ? json(found, new JsonRecords())
    : notOf(found, `its links have ${list(names)}`);
}

function json(format: Format, reader: RecordReader): Detected {
  return { format, reader, delimiter: null, skip: 0 };
}

function detectBookmarks(probe: string, wanted: Format | undefined): Detected | Fault {
  if (wanted !== undefined && wanted.source !== 'bookmarks') return notOf(wanted, 'it begins like HTML');
  if (HAS_BOOKMARKS.test(probe)) return json(getFormat('bookmarks'), new BookmarkRecords());
  return faultOf('unknown-format', null, 'the file looks like HTML, and has no bookmarks at its beginning');
}

function detectTable(probe: string, wanted: Format | undefined): Detected | Fault {
  if (wanted !== undefined && wanted.source !== 'csv') return notOf(wanted, 'it begins like a table');
  const excel = EXCEL_LINE.exec(probe);
  const skip = excel?.[0].length ?? 0;
  const delimiters = excel?.[1] === undefined ? DELIMITERS : [excel[1]];
  const headers = delimiters.map((delimiter) => ({
    delimiter,
    names: headerOf(probe.slice(skip), delimiter),
  }));
  const [widest] = headers.toSorted((a, b) => b.names.size - a.names.size);
  if (widest === undefined || widest.names.size === 0)
    return faultOf(
      'unknown-format',
      null,
      'the first line is no header of a table: it is too long, or has a quote that is not closed',
    );
  const fitting = headers
    .filter(({ names }) => wanted === undefined || hasMarks(wanted, names))
    .map((header) => ({ ...header, format: wanted ?? findFormat(['csv'], header.names) }))
    .toSorted((a, b) => b.names.size - a.names.size);
  for (const { delimiter, format } of fitting) {
    if (format === undefined) continue;
    const reader = new CsvRecords({ delimiter, nullWord: format.nullWord });
    if (skip > 0) reader.line = 2;
    return { format, reader, delimiter, skip };
  }
  return wanted === undefined
    ? unknown(widest.names)
    : notOf(wanted, `its columns are ${list(widest.names)}`);
}

function headerOf(probe: string, delimiter: string): ReadonlySet<string> {
  const reader = new CsvRecords({ delimiter });
  for (const pass of [reader.push(probe), reader.end()])
    for (const _ of pass) if (reader.header !== undefined) break;
  return new Set((reader.header ?? []).map(nameOf));
}

function firstFields(reader: RecordReader, probe: string): Fields | undefined {
  for (const record of reader.push(probe)) if ('fields' in record) return record.fields;
  for (const record of reader.end()) if ('fields' in record) return record.fields;
  return undefined;
}

function namesOf(fields: Fields): ReadonlySet<string> {
  return new Set(Object.keys(fields).map(nameOf));
}

function hasMarks({ marks }: Format, names: ReadonlySet<string>): boolean {
  return marks.some((mark) => mark.every((name) => names.has(name)));
}

function unknown(names: ReadonlySet<string>): Fault {
  return faultOf(
    'unknown-format',
    null,
    `no format has the fields ${list(names)}; name the column with the targets long_url`,
  );
}

function notOf({ name }: Format, found: string): Fault {
  return faultOf('wrong-format', null, `the file is not of the format ${name}: ${found}`);
}

function list(names: ReadonlySet<string>): string {
  return quote([...names].slice(0, MAX_LISTED).join(', '));
}
