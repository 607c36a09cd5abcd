import { crc32 } from 'node:zlib';

const SIGNATURE_BYTES = 8;
/** Length, type and CRC of a chunk. */
const FRAME_BYTES = 12;

/** The chunks that hold pixels: nearly all bytes of a picture. */
export function holdsPixels(type: string): boolean {
  return type === 'IDAT' || type === 'fdAT';
}

/**
 * Whether every whole chunk of pixels has the right CRC. libvips takes a wrong one for a file that is cut
 * off, and is given the frames of an animation with new ones. Pure.
 * @param png as `readPng` takes it, which compares the other chunks
 */
export function arePixelsAsWritten(png: Buffer): boolean {
  for (let from = SIGNATURE_BYTES; from + FRAME_BYTES <= png.length;) {
    const to = from + FRAME_BYTES + png.readUInt32BE(from);
    const type = png.toString('latin1', from + 4, from + 8);
    if (to <= png.length && holdsPixels(type)) {
      if (crc32(png.subarray(from + 4, to - 4)) !== png.readUInt32BE(to - 4)) return false;
    }
    from = to;
  }
  return true;
}
