import { crc32 } from 'node:zlib';

const SIGNATURE_BYTES = 8;
/** What the pixels of every frame mean. */
const SHARED = ['PLTE', 'tRNS'];

/**
 * The frames of an animated PNG that are not its first picture, each as a PNG of its own. Pure.
 * @param png as `readPng` takes it
 */
export function* laterFrames(png: Buffer): Generator<Buffer> {
  const shared: Buffer[] = [];
  let header: Buffer | undefined;
  let control: Buffer | undefined;
  let pixels: Buffer[] = [];
  for (let from = SIGNATURE_BYTES; from + 12 <= png.length;) {
    const length = png.readUInt32BE(from);
    const type = png.toString('latin1', from + 4, from + 8);
    const data = png.subarray(from + 8, from + 8 + length);
    if (type === 'IHDR') header = data;
    else if (SHARED.includes(type)) shared.push(chunkOf(type, data));
    else if (type === 'fdAT') pixels.push(data.subarray(4));
    else if (type === 'fcTL' || type === 'IEND') {
      if (header !== undefined && control !== undefined && pixels.length > 0)
        yield pngOf(sized(header, control), shared, pixels);
      control = data;
      pixels = [];
    }
    from += 12 + length;
  }
}

/** The header of the picture with the size of a frame. */
function sized(header: Buffer, control: Buffer): Buffer {
  return Buffer.concat([control.subarray(4, 12), header.subarray(8)]);
}

function pngOf(header: Buffer, shared: readonly Buffer[], pixels: readonly Buffer[]): Buffer {
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunkOf('IHDR', header),
    ...shared,
    chunkOf('IDAT', Buffer.concat(pixels)),
    chunkOf('IEND', Buffer.alloc(0)),
  ]);
}

function chunkOf(type: string, data: Buffer): Buffer {
  const chunk = Buffer.alloc(12 + data.length);
  chunk.writeUInt32BE(data.length);
  chunk.write(type, 4, 'latin1');
  data.copy(chunk, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, -4)), chunk.length - 4);
  return chunk;
}
