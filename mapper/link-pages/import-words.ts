import type { FormatName } from '../import/formats/format.ts';

/** What people call the formats of files. */
export const FORMATS: Readonly<Record<FormatName, string>> = {
  csv: 'A table (CSV)',
  ndjson: 'Keymill (NDJSON)',
  yourls: 'YOURLS',
  kutt: 'Kutt',
  shlink: 'Shlink',
  bitly: 'Bitly',
  dub: 'Dub',
  sink: 'Sink',
  chhoto: 'Chhoto URL',
  bookmarks: 'Bookmarks of a browser',
};

/** What becomes of an import, in the title of its page. */
export const STATE_SENTENCES = {
  uploading: 'is being uploaded',
  waiting: 'waits for its turn',
  running: 'is under way',
  done: 'is done',
  failed: 'has failed',
} as const;

/** The same in a list. */
export const STATE_WORDS = {
  uploading: 'being uploaded',
  waiting: 'waits',
  running: 'under way',
  done: 'done',
  failed: 'failed',
} as const;
