import { groupDigits } from '../../runtime/grouped-digits.ts';
import { ByteReader } from './byte-reader.ts';
import { DamagedPicture, demand } from './damage.ts';
import type { FormatReader, FoundPicture } from './found-picture.ts';
import { isAvif, readAvif } from './formats/avif.ts';
import { isGif, readGif } from './formats/gif.ts';
import { isJpeg, readJpeg } from './formats/jpeg.ts';
import { isPng, readPng } from './formats/png.ts';
import { isWebp, readWebp } from './formats/webp.ts';
import { MAX_PIXELS, type Picture, type PictureFault, type PictureSource } from './picture.ts';

interface Format {
  /** @param head the first {@link HEAD_BYTES} of the file, or all of a shorter one */
  readonly isMine: (head: Buffer) => boolean;
  readonly read: FormatReader;
}

const FORMATS: readonly Format[] = [
  { isMine: isJpeg, read: readJpeg },
  { isMine: isPng, read: readPng },
  { isMine: isGif, read: readGif },
  { isMine: isWebp, read: readWebp },
  { isMine: isAvif, read: readAvif },
];

const HEAD_BYTES = 64;
/** 100 Mpx allow so many only of pictures that are smaller than 100 × 100. */
const MAX_FRAMES = 10_000;

/**
 * Finds out which format a file has, by its content, and reads its structure to the end without decoding it.
 * It holds 64 KiB of the file in memory, and gives requests their turn after every half millisecond.
 * @throws what the source throws
 */
export async function readPicture(source: PictureSource): Promise<Picture | PictureFault> {
  const head = await source.read(0, HEAD_BYTES);
  const format = FORMATS.find(({ isMine }) => isMine(head));
  if (format === undefined) return { kind: 'unknown-type' };
  try {
    return judge(await format.read(new ByteReader(source)));
  } catch (error) {
    if (error instanceof DamagedPicture) return { kind: 'damaged', why: error.why };
    throw error;
  }
}

function judge({ type, width, height, frames, parts, pixels }: FoundPicture): Picture | PictureFault {
  demand(width > 0 && height > 0, 'has a width or height of 0');
  demand(frames > 0, 'has no picture in it');
  if (pixels > MAX_PIXELS) return { kind: 'too-many-pixels', pixels };
  demand(frames <= MAX_FRAMES, `has more than ${groupDigits(MAX_FRAMES)} frames`);
  return { type, width, height, frames, parts };
}

/** Tells the two results of {@link readPicture} apart. */
export function isPicture(result: Picture | PictureFault): result is Picture {
  return 'parts' in result;
}
