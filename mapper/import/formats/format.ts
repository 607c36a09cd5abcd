import type { Fault } from '../reasons.ts';
import type { Fields } from '../record.ts';

export const FORMAT_NAMES = [
  'csv',
  'ndjson',
  'yourls',
  'kutt',
  'shlink',
  'bitly',
  'dub',
  'sink',
  'chhoto',
  'bookmarks',
] as const;

export type FormatName = (typeof FORMAT_NAMES)[number];

/** The fields of a link that a file may have. */
export type Field =
  | 'code'
  | 'short_url'
  | 'domain'
  | 'long_url'
  | 'created_at'
  | 'expiration_date'
  | 'valid_from'
  | 'title'
  | 'tags'
  | 'visits'
  | 'humans'
  | 'bots'
  | 'redirect_type'
  | 'forward_query'
  | 'max_visits'
  | 'visits_left'
  | 'expired_url'
  | 'noindex'
  | 'disabled'
  | 'targets';

/** What surrounds the records of a file. */
export type Source = 'csv' | 'json' | 'ndjson' | 'bookmarks';

/** The value of a field of a record by one of its names. Undefined: the record has none, or it is empty. */
export type FindValue = (name: string) => unknown;

/**
 * What another shortener writes. Names of fields are compared without case and without anything but letters
 * and digits: `Short code` is `shortcode`.
 */
export interface Format {
  readonly name: FormatName;
  readonly source: Source;
  /** A file that has all names of one of these lists is of this format. */
  readonly marks: readonly (readonly string[])[];
  /** Which names a field has. The first that has a value counts. */
  readonly fields: Readonly<Partial<Record<Field, readonly string[]>>>;
  /** Names whose value another field says as well. All others that are not read are counted as left out. */
  readonly redundant?: readonly string[];
  /** Fields in which 0 stands for no value. */
  readonly zeroMeansNone?: readonly Field[];
  /** A cell without quotes that means "no value". */
  readonly nullWord?: string;
  /** Cells that begin like a formula have a quote in front of them, which is taken away. */
  readonly hasFormulaQuotes?: boolean;
  /** What separates the tags in a text. By default `|` and `,`. */
  readonly tagSeparator?: string;
  /** The codes of a record that may have several, each as it is, or as a short URL. */
  readonly readCodes?: (find: FindValue) => readonly string[];
  /** Visits that stand within another field. */
  readonly readVisits?: (find: FindValue) => { readonly humans: unknown; readonly bots: unknown };
  /** Rules of following that stand in several fields. */
  readonly readTargets?: (find: FindValue) => unknown;
  /** Why a record must not become a link. */
  readonly refuse?: (find: FindValue) => Fault | undefined;
  /** Says that the file is one page of a longer list. `count` is the number of its records. */
  readonly findMissingPages?: (envelope: Fields, count: number) => string | undefined;
}

/** The name of a field or column as formats spell it. */
export function nameOf(spelled: string): string {
  return spelled.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
}
