import { randomFillSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { deflateSync } from 'node:zlib';
import { pngFile } from '../../mapper/qr/png-file.ts';

const RGB = 2;

export interface PictureShape {
  readonly width: number;
  readonly height: number;
  /** Bytes of each row of pixels that are random: nothing makes them smaller. The others are black. */
  readonly randomBytes: number;
}

/** 1 MB, and nearly as much when it is decoded. */
export const MEGABYTE: PictureShape = { width: 590, height: 590, randomBytes: 590 * 3 };
/** 1 MB with the 12 megapixels of a telephone: 36 MB when it is decoded. */
export const PHOTO: PictureShape = { width: 4_000, height: 3_000, randomBytes: 345 };
/** As large as a picture may be: 20 MB. */
export const LARGEST: PictureShape = { width: 2_640, height: 2_640, randomBytes: 2_640 * 3 };
export const SMALL: PictureShape = { width: 184, height: 184, randomBytes: 184 * 3 };

/** Writes a PNG without metadata into a file. @returns its size in bytes */
export async function writePicture(path: string, shape: PictureShape): Promise<number> {
  const { width, height, randomBytes } = shape;
  const row = 1 + width * 3;
  const pixels = Buffer.alloc(row * height);
  // The first byte of each row is its filter: none.
  for (let y = 0; y < height; y += 1) randomFillSync(pixels, y * row + 1, randomBytes);
  const data = deflateSync(pixels, { level: 1 });
  const bytes = pngFile({ width, height, bitDepth: 8, colourType: RGB }, [['IDAT', data]]);
  await writeFile(path, bytes);
  return bytes.length;
}
