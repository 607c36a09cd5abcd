import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';

/*
 * Pictures made for tests, with things in them that nobody should see: every text says `secret`.
 */

export const FORMATS = ['jpeg', 'png', 'gif', 'webp', 'avif'] as const;
export type MadeFormat = (typeof FORMATS)[number];

const PACKET = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><!-- secret --></x:xmpmeta>';

/** A picture with a different colour in every corner, so that turning is seen. */
export function drawing(width = 48, height = 32): Sharp {
  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1)
      pixels.set([(x * 255) / width, (y * 255) / height, ((x * y) % 97) * 2], (y * width + x) * 3);
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

export async function plain(format: MadeFormat, width = 48, height = 32): Promise<Buffer> {
  return drawing(width, height).toFormat(format, quick(format)).toBuffer();
}

function quick(format: MadeFormat): { effort?: number } {
  return format === 'avif' || format === 'webp' ? { effort: 0 } : {};
}

/** With a place, an author, XMP, and an Orientation. */
export async function revealing(format: MadeFormat, orientation = 1): Promise<Buffer> {
  return drawing()
    .withMetadata({ orientation })
    .withExifMerge({
      IFD0: { Artist: 'secret', ImageDescription: 'secret' },
      IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '51/1 30/1 3230/100', GPSLongitudeRef: 'W' },
    })
    .withXmp(PACKET)
    .toFormat(format, quick(format))
    .toBuffer();
}

/** Frames of different colours. */
export async function animated(format: 'gif' | 'webp', frames = 5): Promise<Buffer> {
  const pages = await Promise.all(
    Array.from({ length: frames }, (_, index) =>
      drawing()
        .rotate()
        .tint({ r: 50 * index, g: 99, b: 9 })
        .png()
        .toBuffer(),
    ),
  );
  return sharp(pages, { join: { animated: true } })
    .toFormat(format, { delay: pages.map(() => 100), loop: 0 })
    .toBuffer();
}

/** 4 frames of 48 × 32, turned by a quarter, with EXIF and XMP. Made by avifenc of libavif 0.11.1. */
export function animatedAvif(): Buffer {
  return readFileSync(join(import.meta.dirname, 'fixtures/animation.avif'));
}

// --- PNG --------------------------------------------------------------------------------------------------

export function pngChunk(type: string, data: Buffer | string = ''): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), Buffer.from(data)]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(body.length - 4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

export interface FoundChunk {
  readonly type: string;
  readonly from: number;
  readonly to: number;
  readonly data: Buffer;
}

export function pngChunks(png: Buffer): FoundChunk[] {
  const chunks: FoundChunk[] = [];
  for (let from = 8; from < png.length; from = chunks.at(-1)?.to ?? from) {
    const to = from + 12 + png.readUInt32BE(from);
    chunks.push({
      type: png.toString('latin1', from + 4, from + 8),
      from,
      to,
      data: png.subarray(from + 8, to - 4),
    });
  }
  return chunks;
}

/** Puts chunks before the first one of a type. */
export function withChunks(png: Buffer, before: string, ...chunks: readonly Buffer[]): Buffer {
  const at = pngChunks(png).find(({ type }) => type === before)?.from ?? png.length;
  return Buffer.concat([png.subarray(0, at), ...chunks, png.subarray(at)]);
}

export function pngHeader(width: number, height: number): Buffer {
  const data = Buffer.alloc(13);
  data.writeUInt32BE(width);
  data.writeUInt32BE(height, 4);
  data.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), pngChunk('IHDR', data)]);
}

export function frameControl(sequence: number, width: number, height: number): Buffer {
  const data = Buffer.alloc(26);
  for (const [index, value] of [sequence, width, height].entries()) data.writeUInt32BE(value, 4 * index);
  return pngChunk('fcTL', data);
}

export function uint32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index);
  return bytes;
}

/** An animation of equal frames, the first of which is its still picture. */
export async function animatedPng(frames = 3): Promise<Buffer> {
  const png = await plain('png');
  const pixels = Buffer.concat(pngChunks(png).flatMap(({ type, data }) => (type === 'IDAT' ? [data] : [])));
  const later = Array.from({ length: frames - 1 }, (_, index) => [
    frameControl(2 * index + 1, 48, 32),
    pngChunk('fdAT', Buffer.concat([uint32(2 * index + 2), pixels])),
  ]);
  const begun = withChunks(png, 'IDAT', pngChunk('acTL', uint32(frames, 0)), frameControl(0, 48, 32));
  return withChunks(begun, 'IEND', ...later.flat());
}

// --- JPEG -------------------------------------------------------------------------------------------------

export function segment(marker: number, data: Buffer | string): Buffer {
  const body = Buffer.from(data);
  return Buffer.concat([Buffer.from([0xff, marker, (body.length + 2) >> 8, (body.length + 2) & 255]), body]);
}

/** Puts segments behind SOI. */
export function withSegments(jpeg: Buffer, ...segments: readonly Buffer[]): Buffer {
  return Buffer.concat([jpeg.subarray(0, 2), ...segments, jpeg.subarray(2)]);
}

// --- GIF, WebP, AVIF --------------------------------------------------------------------------------------

export function gifExtension(label: number, ...blocks: readonly string[]): Buffer {
  const data = blocks.flatMap((block) => [Buffer.from([block.length]), Buffer.from(block, 'latin1')]);
  return Buffer.concat([Buffer.from([0x21, label]), ...data, Buffer.from([0])]);
}

/** Puts blocks before the trailer. */
export function withBlocks(gif: Buffer, ...blocks: readonly Buffer[]): Buffer {
  return Buffer.concat([gif.subarray(0, -1), ...blocks, gif.subarray(-1)]);
}

export function riffChunk(name: string, data: Buffer | string): Buffer {
  const body = Buffer.from(data);
  const head = Buffer.from(`${name}\0\0\0\0`, 'latin1');
  head.writeUInt32LE(body.length, 4);
  return Buffer.concat([head, body, Buffer.alloc(body.length % 2)]);
}

/** Chunks at the end of a WebP, with the length that belongs to it. */
export function withRiffChunks(webp: Buffer, ...chunks: readonly Buffer[]): Buffer {
  const whole = Buffer.concat([webp, ...chunks]);
  whole.writeUInt32LE(whole.length - 8, 4);
  return whole;
}

export function box(type: string, ...bodies: readonly (Buffer | string)[]): Buffer {
  const body = Buffer.concat(bodies.map((one) => Buffer.from(one)));
  return Buffer.concat([uint32(body.length + 8), Buffer.from(type, 'latin1'), body]);
}
