import { crc32, deflateSync } from 'node:zlib';
import { randomBytes } from 'node:crypto';

/** A PNG of random pixels, so that no two are the same. */
export function randomPng({ width = 8, height = 8 } = {}): Buffer {
  const rows = Array.from({ length: height }, () => Buffer.concat([Buffer.of(0), randomBytes(width * 3)]));
  return png(width, height, deflateSync(Buffer.concat(rows)));
}

/** A PNG with this text in a chunk of its own, which is no part of the picture. */
export function pngWithText(text: string): Buffer {
  return withText(randomPng(), text);
}

/** The same for a PNG that there is. */
export function withText(picture: Buffer, text: string): Buffer {
  const end = picture.length - 12;
  return Buffer.concat([
    picture.subarray(0, end),
    chunk('tEXt', Buffer.from(`Comment\0${text}`, 'latin1')),
    picture.subarray(end),
  ]);
}

/** A PNG that claims to be of this size, and has nearly nothing in it. */
export function pngThatClaims(width: number, height: number): Buffer {
  return png(width, height, deflateSync(Buffer.alloc(1_000)));
}

/** A valid PNG of exactly this many bytes, most of them in a chunk that is no part of the picture. */
export function pngOfBytes(bytes: number): Buffer {
  const picture = randomPng();
  const head = 'Comment\0'.length + 12;
  return withText(picture, 'x'.repeat(bytes - picture.length - head));
}

function png(width: number, height: number, data: Buffer): Buffer {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from('89504e470d0a1a0a', 'hex');
  return Buffer.concat([signature, chunk('IHDR', head), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}
