/** How a picture is turned and mirrored to be upright, as EXIF counts it. 1: it is upright. */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

const ORIENTATION_TAG = 0x0112;
const SHORT = 3;
const ENTRY_BYTES = 12;
const PREFIX = Buffer.from('Exif\0\0', 'latin1');

/**
 * Finds the Orientation in EXIF data (TIFF, with or without the prefix `Exif\0\0`). Browsers take it from the
 * first IFD and nowhere else. Pure.
 * @returns 1 also when there is none, or it is invalid
 */
export function orientationOf(exif: Buffer): Orientation {
  const tiff = withoutPrefix(exif);
  if (tiff.length < 8) return 1;
  const order = tiff.toString('latin1', 0, 4);
  const isLittle = order === 'II*\0';
  if (!isLittle && order !== 'MM\0*') return 1;
  const short = (at: number): number => (isLittle ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
  const long = (at: number): number => (isLittle ? tiff.readUInt32LE(at) : tiff.readUInt32BE(at));
  const directory = long(4);
  if (directory + 2 > tiff.length) return 1;
  const entries = short(directory);
  for (let entry = 0; entry < entries; entry += 1) {
    const at = directory + 2 + entry * ENTRY_BYTES;
    if (at + ENTRY_BYTES > tiff.length) return 1;
    if (short(at) !== ORIENTATION_TAG) continue;
    const isOne = short(at + 2) === SHORT && long(at + 4) === 1;
    return isOne ? validated(short(at + 8)) : 1;
  }
  return 1;
}

function withoutPrefix(exif: Buffer): Buffer {
  return exif.subarray(0, PREFIX.length).equals(PREFIX) ? exif.subarray(PREFIX.length) : exif;
}

function validated(value: number): Orientation {
  const isValid = (number: number): number is Orientation => number >= 1 && number <= 8;
  return isValid(value) ? value : 1;
}

/** EXIF data (TIFF, 26 bytes) that say nothing but the Orientation. Pure. */
export function exifOf(orientation: Orientation): Buffer {
  const tiff = Buffer.alloc(26);
  tiff.write('MM\0*', 'latin1');
  tiff.writeUInt32BE(8, 4);
  tiff.writeUInt16BE(1, 8);
  tiff.writeUInt16BE(ORIENTATION_TAG, 10);
  tiff.writeUInt16BE(SHORT, 12);
  tiff.writeUInt32BE(1, 14);
  tiff.writeUInt16BE(orientation, 18);
  return tiff;
}

/** The size of a picture as it is shown. Pure. */
export function turned<Size extends { width: number; height: number }>(
  size: Size,
  orientation: Orientation,
): Size {
  return orientation >= 5 ? { ...size, width: size.height, height: size.width } : size;
}
