import type { Fault } from './reasons.ts';

/** The fields of one record, by their names in the file. Those of a table are texts. */
export type Fields = Readonly<Record<string, unknown>>;

/** One record of a file: a row of a table, an element of a list, a bookmark. */
export type FileRecord = { readonly line: number } & (
  { readonly fields: Fields } | { readonly fault: Fault }
);

/** Cuts the text of a file into records. It holds one record at most. */
export interface RecordReader {
  /** The records that end in this piece of the text. */
  push(text: string): Iterable<FileRecord>;
  /** The records that end with the file. */
  end(): Iterable<FileRecord>;
  /** The line, from 1, up to which the text was read. */
  readonly line: number;
  /** What stands around the records of a JSON document, when it has been read. */
  readonly envelope?: Fields | undefined;
}

/**
 * The longest record that is read, in characters. Longer ones are refused, so that one broken file needs no
 * more memory than a sound one. The longest target and all other fields are a tenth of it.
 */
export const MAX_RECORD_CHARACTERS = 131_072;

/** How many characters the texts in a value have. All other values of a record are short. */
export function charactersIn(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 0;
  let characters = 0;
  for (const part of Object.values(value)) characters += charactersIn(part);
  return characters;
}
