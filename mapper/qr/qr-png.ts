import { promisify } from 'node:util';
import { deflate } from 'node:zlib';
import type { Colour } from './colour.ts';
import { pngFile } from './png-file.ts';
import type { Look, Modules } from './qr-code.ts';

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
  const colours = [light, dark];
  return pngFile({ width: size, height: size, bitDepth: BIT_DEPTH, colourType: PALETTE }, [
    ['PLTE', Buffer.from(colours.flatMap(({ red, green, blue }) => [red, green, blue]))],
    ...(colours.every(isOpaque)
      ? []
      : [['tRNS', Buffer.from(colours.map(({ alpha }) => alpha))] satisfies [string, Buffer]]),
    ['IDAT', await compress(toRows(modules, size, scale))],
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
