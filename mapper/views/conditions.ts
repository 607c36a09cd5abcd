/** What a client may compare with what it has. */
export interface Validators {
  /** Strong: the same one means the same bytes. */
  readonly etag: string;
  /** Whole seconds, in ms since 1970. Undefined: not known. */
  readonly modifiedAtMs: number | undefined;
}

/** The value of a header field. @param name in lower case */
export type HeaderOf = (name: string) => string | undefined;

/**
 * Judges the conditions of a GET or HEAD in the order of RFC 9110, 13.2.2. A date is asked for only where
 * there is no entity tag, and what is no date is ignored.
 */
export function judgeConditions(
  header: HeaderOf,
  { etag, modifiedAtMs }: Validators,
): 'met' | 'failed' | 'not-modified' {
  const ifMatch = header('if-match');
  if (ifMatch !== undefined) {
    if (!names(ifMatch, etag, isStrongly)) return 'failed';
  } else if (isAfter(modifiedAtMs, header('if-unmodified-since'))) return 'failed';
  const ifNoneMatch = header('if-none-match');
  if (ifNoneMatch !== undefined) return names(ifNoneMatch, etag, isWeakly) ? 'not-modified' : 'met';
  const sinceMs = parseHttpDate(header('if-modified-since'));
  return modifiedAtMs !== undefined && modifiedAtMs <= sinceMs ? 'not-modified' : 'met';
}

/**
 * Whether `If-Range` allows a part (RFC 9110, 13.1.5): the client has other parts of the same bytes. A date
 * must be exactly ours. The bytes never change, so it is as good as an entity tag.
 */
export function allowsPart(ifRange: string | undefined, { etag, modifiedAtMs }: Validators): boolean {
  if (ifRange === undefined) return true;
  if (/^(?:W\/)?"/.test(ifRange)) return ifRange === etag;
  return modifiedAtMs !== undefined && parseHttpDate(ifRange) === modifiedAtMs;
}

const ENTITY_TAG = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g;

const isStrongly = (one: string, etag: string): boolean => one === etag;
const isWeakly = (one: string, etag: string): boolean => one.replace(/^W\//, '') === etag;

/** Whether a list of entity tags names ours. `*` names everything that is there. */
function names(list: string, etag: string, isSame: (one: string, etag: string) => boolean): boolean {
  return list.trim() === '*' || (list.match(ENTITY_TAG) ?? []).some((one) => isSame(one, etag));
}

function isAfter(timeMs: number | undefined, date: string | undefined): boolean {
  return timeMs !== undefined && timeMs > parseHttpDate(date);
}

/** `Sun Nov  6 08:49:37 1994`: without a zone, and in UTC nevertheless. */
const ASCTIME = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}$/;

/** The three forms of RFC 9110, 5.6.7. @returns NaN, with which every comparison is false, for other texts */
function parseHttpDate(text = ''): number {
  if (text.endsWith(' GMT')) return Date.parse(text);
  return ASCTIME.test(text) ? Date.parse(`${text} GMT`) : Number.NaN;
}
