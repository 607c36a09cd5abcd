import { expect } from 'chai';
import sharp from 'sharp';
import { deflateSync } from 'node:zlib';
import {
  animated,
  animatedAvif,
  animatedPng,
  box,
  drawing,
  FORMATS,
  frameControl,
  gifExtension,
  plain,
  pngChunk,
  pngChunks,
  pngHeader,
  riffChunk,
  segment,
  uint32,
  withBlocks,
  withChunks,
  withRiffChunks,
  withSegments,
  type MadeFormat,
} from './made.ts';
import { faultOf, pixelsOf, strip, whyDamaged } from './reading.ts';

const CUT_OFF = 'is cut off in the middle';

function gifHead(width: number, height: number): Buffer {
  const head = Buffer.from('GIF89a\0\0\0\0\0\0\0', 'latin1');
  head.writeUInt16LE(width, 6);
  head.writeUInt16LE(height, 8);
  return head;
}

function gifFrame(width: number, height: number): Buffer {
  const frame = Buffer.from(',\0\0\0\0\0\0\0\0\0\x02\x01\0\0', 'latin1');
  frame.writeUInt16LE(width, 5);
  frame.writeUInt16LE(height, 7);
  return frame;
}

function repeated(piece: Buffer, times: number): Buffer {
  return Buffer.alloc(piece.length * times, piece);
}

describe('a file that is no picture', () => {
  it('is of an unknown type, whatever it looks like in its middle', async () => {
    const tiff = await drawing().tiff().toBuffer();
    const files = [
      Buffer.alloc(0),
      Buffer.from([0]),
      Buffer.from('\xff\xd8', 'latin1'),
      Buffer.from('\x89PNG', 'latin1'),
      Buffer.from('GIF89', 'latin1'),
      Buffer.from('RIFF\0\0\0\0', 'latin1'),
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
      Buffer.from('<?xml version="1.0"?><svg/>'),
      Buffer.from('<!doctype html><script>alert(1)</script>'),
      Buffer.from('%PDF-1.7\n'),
      Buffer.from('BM\x36\0\0\0\0\0\0\0\x36\0\0\0'),
      Buffer.from('\0\0\x01\0\x01\0\x10\x10\0\0'),
      Buffer.from('RIFF\x24\0\0\0WAVEfmt '),
      Buffer.from('RIFX\x24\0\0\0WEBPVP8 '),
      tiff,
      Buffer.concat([box('ftyp', 'heic', uint32(0), 'mif1heic'), box('mdat', 'x')]),
      Buffer.concat([box('ftyp', 'isom', uint32(0), 'isommp41'), box('mdat', 'x')]),
      Buffer.concat([Buffer.from('<script>'), await plain('png')]),
    ];
    for (const file of files)
      expect(await faultOf(file), file.toString('latin1', 0, 20)).to.deep.equal({ kind: 'unknown-type' });
  });
});

describe('a picture that is cut off', function () {
  this.timeout(60_000);

  it('is damaged, wherever it is cut', async () => {
    const pictures: Buffer[] = [
      ...(await Promise.all(FORMATS.map((format) => plain(format, 200, 150)))),
      await drawing(200, 150).jpeg({ progressive: true }).toBuffer(),
      await animated('gif'),
      await animated('webp'),
      await animatedPng(),
      animatedAvif(),
    ];
    for (const picture of pictures)
      for (let part = 2; part < 50; part += 1) {
        const cut = picture.subarray(0, Math.floor((picture.length * part) / 50));
        expect(await whyDamaged(cut), `${picture.toString('latin1', 0, 12)}, ${part}/50`).to.equal(CUT_OFF);
      }
    for (const picture of pictures) expect(await whyDamaged(picture.subarray(0, -1))).to.equal(CUT_OFF);
  });
});

describe('a picture that says it is huge', () => {
  const expectTooMany = async (bytes: Buffer, pixels: number): Promise<void> => {
    expect(await faultOf(bytes)).to.deep.equal({ kind: 'too-many-pixels', pixels });
  };
  const idat = pngChunk('IDAT', deflateSync(Buffer.alloc(100)));

  it('has too many pixels: a PNG of 100,000 × 100,000', async () => {
    const png = Buffer.concat([pngHeader(100_000, 100_000), idat, pngChunk('IEND')]);
    await expectTooMany(png, 10 ** 10);
    await strip(Buffer.concat([pngHeader(10_000, 10_000), idat, pngChunk('IEND')]));
    const more = Buffer.concat([pngHeader(10_000, 10_001), idat, pngChunk('IEND')]);
    await expectTooMany(more, 100_010_000);
  });

  it('has too many pixels: an animation of 10,000 large frames', async () => {
    const gif = Buffer.concat([gifHead(1_000, 1_000), repeated(gifFrame(1, 1), 10_000), Buffer.from(';')]);
    await expectTooMany(gif, 10 ** 10);
    const wide = Buffer.concat([gifHead(1, 1), repeated(gifFrame(60_000, 60_000), 2), Buffer.from(';')]);
    await expectTooMany(wide, 7_200_000_000);
    const controls = Array.from({ length: 20_000 }, (_, index) =>
      index === 0
        ? [frameControl(0, 9_000, 9_000), idat]
        : [
            frameControl(2 * index - 1, 1, 1),
            pngChunk('fdAT', Buffer.concat([uint32(2 * index), Buffer.alloc(9)])),
          ],
    ).flat();
    const apng = Buffer.concat([
      pngHeader(9_000, 9_000),
      pngChunk('acTL', uint32(20_000, 0)),
      ...controls,
      pngChunk('IEND'),
    ]);
    await expectTooMany(apng, 81_000_000 * 20_000);
    const webp = await animated('webp', 3);
    // The canvas of VP8X, two numbers of 24 bits.
    webp.fill(0xff, 24, 30);
    await expectTooMany(webp, 3 * 2 ** 48);
  });

  it('has too many frames, though they are small', async () => {
    const gif = Buffer.concat([gifHead(1, 1), repeated(gifFrame(1, 1), 10_001), Buffer.from(';')]);
    expect(await whyDamaged(gif)).to.equal('has more than 10,000 frames');
  });

  it('is damaged when it has no size', async () => {
    const noSize = 'has a width or height of 0';
    expect(await whyDamaged(Buffer.concat([pngHeader(0, 9), idat, pngChunk('IEND')]))).to.equal(noSize);
    expect(await whyDamaged(Buffer.concat([gifHead(9, 0), gifFrame(9, 9), Buffer.from(';')]))).to.equal(
      noSize,
    );
    const jpeg = await plain('jpeg');
    const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0, 0x00, 0x11]));
    jpeg.writeUInt16BE(0, frame + 5);
    expect(await whyDamaged(jpeg)).to.equal(noSize);
  });
});

describe('a picture with a huge colour profile', () => {
  it('is damaged, also when the profile is packed well', async () => {
    const profile = Buffer.alloc(5 * 2 ** 20, 'secret');
    const tooLarge = 'has a colour profile of more than 4 MiB';
    const packed = Buffer.concat([Buffer.from('icc\0\0'), deflateSync(profile)]);
    expect(await whyDamaged(withChunks(await plain('png'), 'IDAT', pngChunk('iCCP', packed)))).to.equal(
      tooLarge,
    );
    const pieces = Array.from({ length: 80 }, (_, index) =>
      segment(
        0xe2,
        Buffer.concat([Buffer.from('ICC_PROFILE\0'), Buffer.from([index, 80]), profile.subarray(0, 65_000)]),
      ),
    );
    expect(await whyDamaged(withSegments(await plain('jpeg'), ...pieces))).to.equal(tooLarge);
    const blocks = Array.from({ length: 20_000 }, () => 'x'.repeat(255));
    const gif = withBlocks(await plain('gif'), gifExtension(0xff, 'ICCRGBG1012', ...blocks));
    expect(await whyDamaged(gif)).to.equal(tooLarge);
    const webp = await drawing().withIccProfile('p3').webp().toBuffer();
    const icc = Buffer.concat([webp.subarray(0, 30), riffChunk('ICCP', profile), webp.subarray(30)]);
    expect(await whyDamaged(withRiffChunks(icc))).to.equal(tooLarge);
  });

  it('loses a profile that cannot be unpacked', async () => {
    const png = await plain('png');
    const { output } = await strip(withChunks(png, 'IDAT', pngChunk('iCCP', 'icc\0\0<script>secret')));
    expect(output.equals(png)).to.equal(true);
  });
});

describe('a picture that is something else as well', () => {
  it('loses the other one', async () => {
    const html = '<script>alert("secret")</script>';
    const [jpeg, png, gif] = [await plain('jpeg'), await plain('png'), await plain('gif')];
    const pictures = [
      withBlocks(gif, gifExtension(0xfe, html)),
      Buffer.concat([gif, Buffer.from(html)]),
      withChunks(png, 'IDAT', pngChunk('htMl', html)),
      Buffer.concat([png, Buffer.from(html)]),
      Buffer.concat([jpeg, Buffer.from('PK\x03\x04secret')]),
      withSegments(jpeg, segment(0xfe, `*/=alert("secret")/*`)),
      Buffer.concat([await plain('webp'), Buffer.from(html)]),
      Buffer.concat([await plain('avif'), box('mdat', html)]),
      Buffer.concat([await plain('avif'), box('skip', html)]),
    ];
    for (const picture of pictures) {
      const { output } = await strip(picture);
      expect(output.includes('secret'), picture.toString('latin1', 0, 12)).to.equal(false);
      expect((await pixelsOf(output)).equals(await pixelsOf(picture))).to.equal(true);
    }
  });

  it('is refused when its bytes do not add up to a picture', async () => {
    const png = await plain('png');
    expect(await whyDamaged(withChunks(png, 'IDAT', pngChunk('HTML', 'x')))).to.equal(
      'has a part of an unknown kind (HTML)',
    );
    expect(
      await whyDamaged(Buffer.concat([png.subarray(0, 40), Buffer.from('<html>'), png.subarray(40)])),
    ).to.be.a('string');
    const gif = await plain('gif');
    expect(await whyDamaged(withBlocks(gif, Buffer.from('<script>')))).to.equal(
      'has bytes between its blocks that do not belong there',
    );
    const broken = Buffer.from(png);
    // Of pixels the decoder says so.
    const at = (pngChunks(png).find(({ type }) => type === 'IHDR')?.to ?? 0) - 4;
    broken[at] = (broken[at] ?? 0) ^ 1;
    expect(await whyDamaged(broken)).to.equal('has a chunk with a wrong checksum');
  });
});

describe('a JPEG that no browser shows', () => {
  it('is refused with the reason', async () => {
    const jpeg = await plain('jpeg');
    const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
    const changed = (at: number, value: number): Buffer => {
      const bytes = Buffer.from(jpeg);
      bytes[frame + at] = value;
      return bytes;
    };
    expect(await whyDamaged(changed(1, 0xc3))).to.equal('is a lossless JPEG, which browsers do not show');
    expect(await whyDamaged(changed(1, 0xc5))).to.equal('is a hierarchical JPEG, which browsers do not show');
    expect(await whyDamaged(changed(1, 0xc9))).to.equal('has arithmetic coding, which browsers do not show');
    expect(await whyDamaged(changed(4, 12))).to.equal('has 12 bits per colour, and browsers show only 8');
    expect(await whyDamaged(changed(9, 2))).to.equal('has 2 colour components instead of 1, 3 or 4');
    const scan = jpeg.subarray(jpeg.indexOf(Buffer.from([0xff, 0xda])), -2);
    const scans = Buffer.concat([
      jpeg.subarray(0, -2),
      ...Array.from({ length: 100 }, () => scan),
      jpeg.subarray(-2),
    ]);
    expect(await whyDamaged(scans)).to.equal('has more than 100 scans');
  });
});

describe('a WebP, a GIF and an animated PNG that contradict themselves', () => {
  it('are refused', async () => {
    const webp = await drawing().withIccProfile('p3').webp().toBuffer();
    webp.writeUIntLE(99, 24, 3);
    expect(await whyDamaged(webp)).to.equal('says two different sizes');
    const two = await plain('webp');
    expect(await whyDamaged(withRiffChunks(two, two.subarray(12)))).to.equal('has pixels in two places');
    expect(await whyDamaged(Buffer.concat([gifHead(9, 9), Buffer.from(';')]))).to.equal(
      'has no picture in it',
    );
    const png = await animatedPng(3);
    const control = png.indexOf('acTL');
    png.set(pngChunk('acTL', uint32(4, 0)).subarray(4), control);
    expect(await whyDamaged(png)).to.equal('has 3 frames and says 4');
    const beyond = withChunks(
      await plain('png'),
      'IDAT',
      pngChunk('acTL', uint32(1, 0)),
      frameControl(0, 49, 32),
    );
    expect(await whyDamaged(beyond)).to.equal('has a frame beyond its edge');
  });

  it('are taken in every format by their content, with any name', async () => {
    for (const format of FORMATS satisfies readonly MadeFormat[]) {
      const metadata = await sharp((await strip(await plain(format))).output).metadata();
      expect(metadata.format).to.equal(format === 'avif' ? 'heif' : format);
    }
  });
});
