import { promisify } from 'node:util';
import { crc32, deflate } from 'node:zlib';
import type { Colour } from './colour.ts';
import type { Look, Modules } from './qr-code.ts';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
/** One bit for each pixel, which chooses one of two colours of a palette (PNG specification, 11.2.1). */
const BIT_DEPTH = 1;
const PALETTE = 3;
/** The filters of a row (9.2): its bytes, or their differences from the row above. */
const NONE = 0;
const UP = 2;

const compress = promisify(deflate);

/** Readers fail at smaller modules. */
const MIN_SCALE = 2;

/** The fewest pixels, of width and height, of a picture that can be read. */
export function leastSizeOf(modules: Modules): number {
  return MIN_SCALE * modules.length;
}

/**
 * A code as a PNG of exactly `size` pixels. All modules have the same whole number of pixels, because readers
 * fail at others. What is left over widens the margin.
 * @throws RangeError when there are more modules than pixels
 */
export async function toPng(modules: Modules, { size, dark, light }: Look): Promise<Buffer> {
  const scale = Math.floor(size / modules.length);
  if (scale < 1) throw new RangeError(`${modules.length} modules do not fit into ${size} pixels`);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([BIT_DEPTH, PALETTE], 8);
  const colours = [light, dark];
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('PLTE', Buffer.from(colours.flatMap(({ red, green, blue }) => [red, green, blue]))),
    ...(colours.every(isOpaque) ? [] : [chunk('tRNS', Buffer.from(colours.map(({ alpha }) => alpha)))]),
    chunk('IDAT', await compress(toRows(modules, size, scale))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** The rows of pixels, each behind its filter. Most are equal to the one above, which is no byte at all. */
function toRows(modules: Modules, size: number, scale: number): Buffer {
  const width = 1 + Math.ceil(size / 8);
  const rows = Buffer.alloc(width * size);
  const before = Math.floor((size - modules.length * scale) / 2);
  for (let y = 0; y < size; y += 1) rows[y * width] = UP;
  for (const [at, row] of modules.entries()) {
    const start = (before + at * scale) * width;
    rows[start] = NONE;
    for (const [column, isDark] of row.entries()) {
      if (isDark) setPixels(rows, start + 1, before + column * scale, scale);
    }
  }
  const after = before + modules.length * scale;
  // Below the code there is only margin again.
  if (after < size) rows[after * width] = NONE;
  return rows;
}

function setPixels(rows: Buffer, start: number, from: number, count: number): void {
  for (let x = from; x < from + count; x += 1) {
    const at = start + (x >> 3);
    rows[at] = (rows[at] ?? 0) | (0x80 >> (x & 7));
  }
}

function isOpaque({ alpha }: Colour): boolean {
  return alpha === 255;
}

/** Length, type, data, and the checksum of the last two (5.3). */
function chunk(type: string, data: Buffer): Buffer {
  const framed = Buffer.alloc(12 + data.length);
  framed.writeUInt32BE(data.length, 0);
  framed.write(type, 4, 'latin1');
  data.copy(framed, 8);
  framed.writeUInt32BE(crc32(framed.subarray(4, 8 + data.length)), 8 + data.length);
  return framed;
}
