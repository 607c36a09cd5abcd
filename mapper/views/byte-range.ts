import type { ByteRange } from '../../db/blobs/blob-store.ts';

/** Which bytes a `Range` asks for. */
export type AskedRange =
  | { readonly kind: 'whole' }
  | ({ readonly kind: 'part' } & ByteRange)
  /** None of them is there. */
  | { readonly kind: 'beyond' };

const WHOLE: AskedRange = { kind: 'whole' };

const ONE_RANGE = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i;

/**
 * Reads a `Range` (RFC 9110, 14.2). A server may ignore the header. We do for units other than bytes, for
 * what is no range (`5-2`, `a-b`) and for several ranges: nobody needs a picture in pieces of one answer.
 * @param bytes of the whole, at least 1
 */
export function readRange(header: string | undefined, bytes: number): AskedRange {
  const found = ONE_RANGE.exec(header ?? '');
  if (found === null) return WHOLE;
  const [, from = '', to = ''] = found;
  if (from === '' && to === '') return WHOLE;
  if (from === '') return lastBytes(Number(to), bytes);
  const first = Number(from);
  const last = to === '' ? bytes - 1 : Number(to);
  if (to !== '' && last < first) return WHOLE;
  return first >= bytes ? { kind: 'beyond' } : { kind: 'part', first, last: Math.min(last, bytes - 1) };
}

function lastBytes(count: number, bytes: number): AskedRange {
  if (count === 0) return { kind: 'beyond' };
  return { kind: 'part', first: Math.max(0, bytes - count), last: bytes - 1 };
}
