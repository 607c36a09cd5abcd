import { crc32 } from 'node:zlib';

const SIGNATURE_BYTES = 8;
const LARGEST_WINDOW = 0x78;

/**
 * Some programs of 2002 wrote a smaller window into a PNG than its pixels need. Browsers take no notice;
 * libvips reads no further. The PNG with the largest window, if it says a smaller one. Pure.
 * @param png as `readPng` takes it
 */
export function withLargestWindow(png: Buffer): Buffer {
  for (let from = SIGNATURE_BYTES; from + 14 <= png.length; from += 12 + png.readUInt32BE(from)) {
    if (png.toString('latin1', from + 4, from + 8) !== 'IDAT') continue;
    const length = png.readUInt32BE(from);
    const [first = 0, second = 0] = png.subarray(from + 8, from + 10);
    const isSmaller = (first & 15) === 8 && first < LARGEST_WINDOW;
    if (!isSmaller || length < 2 || from + 12 + length > png.length) return png;
    const widened = Buffer.from(png);
    widened[from + 8] = LARGEST_WINDOW;
    // Both bytes together are a multiple of 31: RFC 1950, 2.2.
    const high = second & 0xe0;
    widened[from + 9] = high + ((31 - ((LARGEST_WINDOW * 256 + high) % 31)) % 31);
    const sum = crc32(widened.subarray(from + 4, from + 8 + length));
    widened.writeUInt32BE(sum, from + 8 + length);
    return widened;
  }
  return png;
}
