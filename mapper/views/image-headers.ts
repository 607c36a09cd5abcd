import type { ByteRange } from '../../db/blobs/blob-store.ts';
import type { ImageFacts, PictureType } from '../../db/urls/image-facts.ts';
import type { CachedLink } from '../cache/link-cache.ts';
import { Problem } from '../http/problem.ts';
import { THUMBNAIL_MAKER, type ThumbnailSize } from '../pictures/decoder.ts';
import { readRange } from './byte-range.ts';
import type { Validators } from './conditions.ts';

/** A picture, or a thumbnail of it, as a client sees it. */
export interface Shown {
  readonly link: CachedLink;
  readonly image: ImageFacts;
  /** Undefined: the picture itself. */
  readonly size: ThumbnailSize | undefined;
  /** How long it may be kept, in seconds. */
  readonly maxAgeS: number;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

export interface Answer {
  readonly status: 200 | 206;
  /** Undefined: all of it. */
  readonly part: ByteRange | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * nginx goes on sending the headers that it has when a 304 comes with other ones. So a change of what search
 * engines are told gives the same bytes another entity tag.
 */
export function validatorsOf({ link, image, size }: Pick<Shown, 'link' | 'image' | 'size'>): Validators {
  const { sha256, postedAt } = image;
  const ofSize = size === undefined ? '' : `-${size}-${THUMBNAIL_MAKER}`;
  return {
    etag: `"${sha256.slice(0, 32)}${ofSize}${isHidden(link) ? '-noindex' : ''}"`,
    modifiedAtMs: postedAt === undefined ? undefined : Math.floor(Date.parse(postedAt) / 1_000) * 1_000,
  };
}

/** What is said with the bytes, and also when the client has them already. */
export function headersOf(shown: Shown, { etag, modifiedAtMs }: Validators): Record<string, string> {
  const { link } = shown;
  return {
    ETag: etag,
    ...(modifiedAtMs !== undefined && { 'Last-Modified': new Date(modifiedAtMs).toUTCString() }),
    'Cache-Control': `public, max-age=${maxAgeOf(shown)}`,
    ...(isHidden(link) && { 'X-Robots-Tag': 'noindex' }),
  };
}

/** From search engines. */
function isHidden({ rules }: CachedLink): boolean {
  return rules?.noindex === true;
}

/** No longer than the link is valid. */
function maxAgeOf({ link: { expiresAtMs = Number.POSITIVE_INFINITY }, maxAgeS, nowMs }: Shown): number {
  return Math.max(0, Math.min(maxAgeS, Math.floor((expiresAtMs - nowMs) / 1_000)));
}

/**
 * A picture is shown wherever somebody puts it, and is nothing but a picture: a browser that is led to it
 * runs nothing, whatever its bytes are.
 */
const OF_BYTES: Readonly<Record<string, string>> = {
  'Accept-Ranges': 'bytes',
  'Content-Disposition': 'inline',
  'Content-Security-Policy': "default-src 'none'; sandbox",
  'Cross-Origin-Resource-Policy': 'cross-origin',
  'X-Content-Type-Options': 'nosniff',
};

/**
 * The answer with the bytes, or with a part of them.
 * @param range the header, if it applies
 * @throws Problem 416
 */
export function answerOf(
  { type, bytes }: { readonly type: PictureType; readonly bytes: number },
  range: string | undefined,
): Answer {
  const asked = readRange(range, bytes);
  if (asked.kind === 'beyond')
    throw new Problem('range-beyond', { headers: { 'Content-Range': `bytes */${bytes}` } });
  const common = { ...OF_BYTES, 'Content-Type': `image/${type}` };
  if (asked.kind === 'whole')
    return { status: 200, part: undefined, headers: { ...common, 'Content-Length': String(bytes) } };
  const { first, last } = asked;
  return {
    status: 206,
    part: { first, last },
    headers: {
      ...common,
      'Content-Length': String(last - first + 1),
      'Content-Range': `bytes ${first}-${last}/${bytes}`,
    },
  };
}
