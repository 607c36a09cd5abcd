/**
 * Why something of a file is not taken: one word that programs compare, and when it is said. Each refusal
 * also carries a sentence that names the value and says what would be right.
 */
export const REASONS = {
  'wrong-encoding': 'the file has a byte that is not in its encoding; nothing behind it is read',
  'unknown-format': 'no format fits the file; nothing of it is read',
  'wrong-format': 'the file is not of the format that was asked for, or has a second list; that is not read',
  'cut-off': 'the file ends in the middle of a value',
  'too-long': 'a record has more characters than are read at a time',
  quotes: 'a quote is not closed, or something follows the closing quote of a cell',
  cells: 'a row has more or fewer cells than the header',
  'not-json': 'a record is no JSON object',
  'value-type': 'a field has a value of another kind',
  'no-target': 'there is no target',
  'bad-target': 'no link may point at this target',
  'many-codes': 'a record has more codes than are taken',
  'no-code': 'the link stands for the root of a domain',
  'bad-code': 'the code cannot be stored',
  'long-code': 'the code is too long',
  'reserved-code': 'the service, or the Web, uses the first segment of the code itself',
  'forgiven-code': 'the code ends in what a look-up takes for the text around a link',
  'repeated-code': 'an earlier row of the file has the same code',
  'other-domain': 'the link is of another domain than the one that was asked for',
  'no-date': 'a time is no date, or out of range',
  'no-zone': 'a time has no time zone, and none was given',
  'unclear-date': 'a time has two meanings, or none, in its time zone or order of day and month',
  'protected-link': 'the link has a password, which the file does not contain',
  'taken-code': 'there is a link with this code already, and it may not be overwritten',
  'deleted-link': 'the owner has a link with this code, and has deleted it',
  'blocked-link': 'the owner has a link with this code, and an administrator has blocked it',
  'image-link': 'the link is an image, or the owner has an image with this code',
  'banned-link': 'the link was banned, blocked or deleted where it comes from',
} as const;

export type Reason = keyof typeof REASONS;

/** Something that is not taken, without its place in the file. */
export interface Fault {
  readonly reason: Reason;
  /** A sentence for a person: the value, and what would be right. */
  readonly message: string;
  /** The field of a link that is wrong; null: the record as a whole. */
  readonly field: string | null;
}

/** A fault of one field of a link, or with null of a whole record. */
export function faultOf(reason: Reason, field: string | null, message: string): Fault {
  return { reason, field, message };
}

const QUOTED_CHARACTERS = 60;

/** A value as messages show it: in quotes, and cut. */
export function quote(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  return JSON.stringify(text.length <= QUOTED_CHARACTERS ? text : `${text.slice(0, QUOTED_CHARACTERS)}…`);
}
