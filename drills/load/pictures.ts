import { createCipheriv, createHash } from 'node:crypto';
import { deflateSync, inflateSync } from 'node:zlib';
import { pngFile } from '../../mapper/qr/png-file.ts';

const RGB = 2;
const SMALL = 16;
const LARGE = 192;
/** Every so manieth picture is large: it does not fit into one piece of a connection. */
const LARGE_EVERY = 8;
/** A PNG begins with signature and header, 33 bytes; then its only IDAT has a length and a type. */
const DATA_AT = 33 + 8;

/**
 * Picture `n` of one drill: a PNG of pixels that look random. No other picture has its bytes, and it has no
 * metadata, so it must be served with exactly these bytes. Pure.
 */
export function pictureOf(runId: string, n: number): Buffer {
  const size = n % LARGE_EVERY === LARGE_EVERY - 1 ? LARGE : SMALL;
  const row = 1 + size * 3;
  const seed = createHash('sha256').update(`${runId}/${n}`).digest();
  const pixels = createCipheriv('aes-256-ctr', seed, Buffer.alloc(16)).update(Buffer.alloc(row * size));
  // The first byte of each row is its filter: none.
  for (let y = 0; y < size; y += 1) pixels[y * row] = 0;
  pixels.writeUInt32BE(n, 1);
  const header = { width: size, height: size, bitDepth: 8, colourType: RGB };
  return pngFile(header, [['IDAT', deflateSync(pixels, { level: 1 })]]);
}

/** The number of the picture of this drill that has exactly these bytes; undefined: none has. */
export function numberOfPicture(runId: string, bytes: Buffer): number | undefined {
  try {
    const n = inflateSync(bytes.subarray(DATA_AT)).readUInt32BE(1);
    return pictureOf(runId, n).equals(bytes) ? n : undefined;
  } catch {
    return undefined;
  }
}
