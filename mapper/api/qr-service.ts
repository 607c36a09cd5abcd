import { createHash } from 'node:crypto';
import type { Identity } from '../auth/identities.ts';
import { invalidFields, type FieldError } from '../http/problem.ts';
import type { OwnLinks } from '../links/own-links.ts';
import { contrastOf, parseColour, type Colour } from '../qr/colour.ts';
import { encodeUrl, type Level, type Look, type Modules } from '../qr/qr-code.ts';
import { leastSizeOf, toPng } from '../qr/qr-png.ts';
import { toSvg } from '../qr/qr-svg.ts';
import type { ContentReply, NotModified } from './content.ts';
import { ask, unknownLink } from './link-problems.ts';
import { callerOf, isKnownState } from './link-service.ts';

/** How a picture is asked for. */
export interface QrWish {
  /** Of width and height, in pixels. */
  readonly size: number;
  /** In modules. */
  readonly margin: number;
  readonly level: Level;
  readonly dark: string;
  readonly light: string;
}

export type QrFormat = 'svg' | 'png';

export const QR_TYPES = { svg: 'image/svg+xml', png: 'image/png' } as const;

/** WCAG 2.2 asks for as much of a picture that one must understand (1.4.11). Readers fail below some 2. */
export const MIN_CONTRAST = 3;

/** Also a code of another shortener. */
const STORED_KEY = /^[!-~]{1,255}$/;

/** A picture changes only when the short URL does. Caches of others must not show whose links there are. */
const CACHE_CONTROL = 'private, max-age=86400';

/** Draws QR codes of one's own links. */
export class QrService {
  readonly #own: Pick<OwnLinks, 'find'>;
  readonly #publicUrl: string;

  /** @param publicUrl origin of short URLs, without a slash at the end */
  constructor(own: Pick<OwnLinks, 'find'>, publicUrl: string) {
    this.#own = own;
    this.#publicUrl = publicUrl;
  }

  /** @throws Problem 404 unknown or another's, 422 a picture that nobody could read, 503 */
  async draw(
    identity: Identity,
    key: string,
    picture: { readonly format: QrFormat; readonly wish: QrWish; readonly ifNoneMatch: string | undefined },
  ): Promise<ContentReply | NotModified> {
    const { format, wish, ifNoneMatch } = picture;
    const { look, faults } = toLook(wish);
    if (!STORED_KEY.test(key)) throw unknownLink();
    const link = await ask(async () => this.#own.find(callerOf(identity), key));
    if (link === undefined) throw unknownLink();
    if (faults.length > 0) throw invalidFields(faults);
    const url = `${this.#publicUrl}/${link.key}`;
    const headers = { ETag: etagOf(url, format, wish), 'Cache-Control': CACHE_CONTROL };
    if (isKnownState(ifNoneMatch, headers.ETag)) return { isNotModified: true, headers };
    const modules = encodeUrl(url, wish);
    return { type: QR_TYPES[format], content: await drawAs(format, modules, look), headers };
  }
}

async function drawAs(format: QrFormat, modules: Modules, look: Look): Promise<string | Buffer> {
  if (format === 'svg') return toSvg(modules, look);
  const least = leastSizeOf(modules);
  if (look.size < least)
    throw invalidFields([
      { field: 'size', reason: `must be at least ${least} for this link, with this level and margin` },
    ]);
  return toPng(modules, look);
}

function toLook({ size, dark, light }: QrWish): { look: Look; faults: FieldError[] } {
  // The declaration has checked them.
  const look = { size, dark: parseColour(dark) as Colour, light: parseColour(light) as Colour };
  const contrast = contrastOf(look.dark, look.light);
  if (contrast >= MIN_CONTRAST) return { look, faults: [] };
  const reason = `must be darker than light: their contrast is ${contrast.toFixed(1)}, and must be at least ${MIN_CONTRAST}`;
  return { look, faults: [{ field: 'dark', reason }] };
}

function etagOf(url: string, format: QrFormat, wish: QrWish): string {
  const { size, margin, level, dark, light } = wish;
  const text = JSON.stringify([url, format, size, margin, level, dark, light]);
  return `"${createHash('sha256').update(text).digest('hex').slice(0, 32)}"`;
}
