import { inflateSync } from 'node:zlib';
import { decodeQR } from 'qr/decode.js';

/** Pixels, four bytes each: red, green, blue, alpha. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

const SIGNATURE = '89504e470d0a1a0a';

/** Reads a PNG with a palette of one bit, as the PNG specification (third edition) says. */
export function readPng(bytes: Buffer): Pixels {
  if (bytes.toString('hex', 0, 8) !== SIGNATURE) throw new Error('no PNG');
  const chunks = new Map<string, Buffer>();
  for (let at = 8; at < bytes.length;) {
    const length = bytes.readUInt32BE(at);
    chunks.set(bytes.toString('latin1', at + 4, at + 8), bytes.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  const header = chunks.get('IHDR') ?? Buffer.alloc(13);
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  if (header.toString('hex', 8) !== '0103000000') throw new Error('another form of PNG');
  const palette = chunks.get('PLTE') ?? Buffer.alloc(0);
  const alpha = chunks.get('tRNS');
  const rows = unfilter(inflateSync(chunks.get('IDAT') ?? Buffer.alloc(0)), Math.ceil(width / 8));
  const data = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1) {
      const index = ((rows[y]?.[x >> 3] ?? 0) >> (7 - (x & 7))) & 1;
      data.set(palette.subarray(3 * index, 3 * index + 3), (y * width + x) * 4);
      data[(y * width + x) * 4 + 3] = alpha?.[index] ?? 255;
    }
  return { width, height, data };
}

function unfilter(bytes: Buffer, width: number): Buffer[] {
  const rows: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 1 + width) {
    const row = Buffer.from(bytes.subarray(at + 1, at + 1 + width));
    const above = rows.at(-1);
    if (bytes[at] === 2)
      for (let x = 0; x < width; x += 1) row[x] = ((row[x] ?? 0) + (above?.[x] ?? 0)) & 255;
    else if (bytes[at] !== 0) throw new Error(`a filter that is not expected: ${bytes[at]}`);
    rows.push(row);
  }
  return rows;
}

const PATH = /<path fill="#([\da-f]{6})"(?: fill-opacity="([\d.]+)")? d="([^"]*)"\/>/g;

/**
 * Draws an SVG document of ours, whose paths have nothing but rectangles, with `scale` pixels for each unit.
 */
export function drawSvg(svg: string, scale: number): Pixels {
  const count = Number(/viewBox="0 0 (\d+) \1"/.exec(svg)?.[1]);
  const width = count * scale;
  const data = new Uint8Array(width * width * 4);
  for (const [, colour = '', opacity = '1', path = ''] of svg.matchAll(PATH)) {
    const pixel = [...Buffer.from(colour, 'hex'), Math.round(Number(opacity) * 255)];
    for (const [x, y, w, h] of rectanglesOf(path))
      for (let row = y * scale; row < (y + h) * scale; row += 1)
        for (let column = x * scale; column < (x + w) * scale; column += 1)
          data.set(pixel, (row * width + column) * 4);
  }
  return { width, height: width, data };
}

function* rectanglesOf(path: string): Generator<[x: number, y: number, w: number, h: number]> {
  for (const [, x, y, w, h] of path.matchAll(/M(\d+) (\d+)h(\d+)v(\d+)[Hh]-?\d+z/g))
    yield [Number(x), Number(y), Number(w), Number(h)];
}

/** The text of a code, on white paper. @throws Error when it cannot be read */
export function readCode(pixels: Pixels): string {
  const data = Uint8Array.from(pixels.data, (value, at) => {
    const alpha = pixels.data[at | 3] ?? 255;
    return (at & 3) === 3 ? 255 : Math.round((value * alpha + 255 * (255 - alpha)) / 255);
  });
  return decodeQR({ ...pixels, data });
}
