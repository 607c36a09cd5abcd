import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import sharp from 'sharp';
import { testFolder } from '../../servers.ts';
import { exiftool, revealingTags } from './debian-packages.ts';
import {
  animated,
  animatedAvif,
  animatedPng,
  box,
  drawing,
  FORMATS,
  gifExtension,
  plain,
  pngChunk,
  pngChunks,
  revealing,
  riffChunk,
  segment,
  uint32,
  withBlocks,
  withChunks,
  withRiffChunks,
  withSegments,
} from './made.ts';
import { pixelsOf, read, strip } from './reading.ts';

async function expectSamePixels(one: Buffer, other: Buffer, name = 'the picture'): Promise<void> {
  expect((await pixelsOf(one)).equals(await pixelsOf(other)), `${name}: the same pixels`).to.equal(true);
}

/** What an independent reader finds in these files besides the picture. */
async function revealedBy(files: Readonly<Record<string, Buffer>>): Promise<Record<string, string[]>> {
  const folder = mkdtempSync(join(testFolder(), 'stripped-'));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
  const found = await exiftool(folder);
  expect(found.length).to.equal(Object.keys(files).length);
  return Object.fromEntries(
    found.flatMap((tags) => {
      const revealed = revealingTags(tags);
      return revealed.length === 0 ? [] : [[String(tags['SourceFile']).slice(folder.length + 1), revealed]];
    }),
  );
}

describe('what is stored of a picture', function () {
  this.timeout(180_000);

  it('is nothing but the picture and its Orientation, in every format and turned in every way', async () => {
    const [before, after]: Record<string, Buffer>[] = [{}, {}];
    for (const format of FORMATS)
      for (let orientation = 1; orientation <= 8; orientation += 1) {
        const name = `${orientation}.${format}`;
        const made = await revealing(format, orientation);
        const { output, width, height, type } = await strip(made, name);
        const shown = (await sharp(made).metadata()).autoOrient;
        expect({ type, width, height }, name).to.deep.equal({
          type: format,
          width: shown.width,
          height: shown.height,
        });
        expect(output.includes('secret'), name).to.equal(false);
        await expectSamePixels(made, output, name);
        // GIF knows neither EXIF nor Orientation, and AVIF is turned by a property.
        const kept = (await sharp(output).metadata()).orientation ?? 1;
        expect(kept, name).to.equal(format === 'gif' || format === 'avif' ? 1 : orientation);
        Object.assign(before ?? {}, { [name]: made });
        Object.assign(after ?? {}, { [name]: output });
      }
    // The independent reader finds them where they are.
    expect(Object.keys(await revealedBy(before ?? {})).length).to.be.at.least(4 * 8);
    expect(await revealedBy(after ?? {})).to.deep.equal({});
  });

  it('is all of a picture that has no metadata', async () => {
    for (const format of FORMATS) {
      const made = await plain(format);
      const { parts, width, height, frames } = await strip(made, format);
      expect(parts, format).to.deep.equal([{ from: 0, to: made.length }]);
      expect([width, height, frames], format).to.deep.equal([48, 32, 1]);
    }
  });

  it('keeps the colour profile', async () => {
    for (const format of FORMATS) {
      const made = await drawing().withIccProfile('p3').toFormat(format).toBuffer();
      const profile = (await sharp(made).metadata()).icc;
      const { output } = await strip(made, format);
      if (format !== 'gif') expect(profile?.length, format).to.be.greaterThan(100);
      expect((await sharp(output).metadata()).icc, format).to.deep.equal(profile);
    }
  });

  it('keeps every frame of an animation', async () => {
    for (const [name, made, frames] of [
      ['gif', await animated('gif'), 5],
      ['webp', await animated('webp'), 5],
      ['png', await animatedPng(3), 3],
      ['avif', animatedAvif(), 4],
    ] as const) {
      const found = await strip(made, name);
      expect(found.frames, name).to.equal(frames);
      await expectSamePixels(made, found.output, name);
    }
    const turned = await read(animatedAvif());
    expect(turned).to.include({ width: 32, height: 48 });
  });

  it('loses metadata of animations', async () => {
    const gif = withBlocks(await animated('gif'), gifExtension(0xfe, 'secret'));
    const png = withChunks(await animatedPng(), 'IEND', pngChunk('tEXt', 'Author\0secret'));
    const webp = await sharp(await animated('webp'), { animated: true })
      .withExif({ IFD0: { Artist: 'secret' } })
      .webp()
      .toBuffer();
    for (const made of [gif, png, webp, animatedAvif()]) {
      const { output } = await strip(made);
      expect([made.includes('secret'), output.includes('secret')]).to.deep.equal([true, false]);
      await expectSamePixels(made, output);
    }
  });
});

describe('what is stored of a JPEG', () => {
  it('loses all that no viewer needs: EXIF, XMP, IPTC, comments, thumbnails, other pictures', async () => {
    const jpeg = await plain('jpeg');
    const thumbnail = Buffer.concat([
      Buffer.from('JFIF\0\x01\x02\0\0\x01\0\x01\x02\x02secretsecret', 'latin1'),
    ]);
    const made = Buffer.concat([
      withSegments(
        jpeg,
        segment(0xe0, thumbnail),
        segment(0xe0, 'JFXX\0\x10secret'),
        segment(0xe1, 'http://ns.adobe.com/xap/1.0/\0<x>secret</x>'),
        segment(0xe2, 'MPF\0secret'),
        segment(0xed, 'Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x06secret'),
        Buffer.from([0xff, 0xff, 0xff]),
        segment(0xe7, 'secret'),
        segment(0xfe, 'secret'),
        Buffer.from('secret'),
      ),
      jpeg,
      Buffer.from('PK\x03\x04secret'),
    ]);
    const { output } = await strip(made);
    expect(output.includes('secret')).to.equal(false);
    // Of JFIF, its 18 bytes without the thumbnail are left.
    expect(output.length).to.equal(jpeg.length + 18);
    await expectSamePixels(jpeg, output);
  });

  it('has one Orientation: the first EXIF counts, and an invalid one says nothing', async () => {
    const exif = (orientation: number): Buffer =>
      segment(
        0xe1,
        Buffer.concat([
          Buffer.from('Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0', 'latin1'),
          Buffer.from([orientation, 0, 0, 0, 0, 0, 0, 0]),
        ]),
      );
    const jpeg = await plain('jpeg');
    const sized = async (...segments: Buffer[]): Promise<unknown[]> => {
      const { width, height, output } = await strip(withSegments(jpeg, ...segments));
      return [width, height, output.length - jpeg.length];
    };
    expect(await sized(exif(6), exif(1))).to.deep.equal([32, 48, 36]);
    expect(await sized(exif(3))).to.deep.equal([48, 32, 36]);
    for (const nothing of [
      exif(1),
      exif(0),
      exif(9),
      exif(255),
      segment(0xe1, 'Exif\0\0'),
      segment(0xe1, 'Exif\0\0II*\0\xff\xff\xff\xff'),
    ])
      expect(await sized(nothing)).to.deep.equal([48, 32, 0]);
  });

  it('keeps what decides its colours and its scans', async () => {
    const made = [
      await drawing().jpeg({ progressive: true }).toBuffer(),
      await drawing().jpeg({ chromaSubsampling: '4:4:4', optimiseCoding: false }).toBuffer(),
      await drawing().toColourspace('cmyk').jpeg().toBuffer(),
      await drawing().greyscale().jpeg().toBuffer(),
    ];
    for (const jpeg of made) {
      const { parts, output } = await strip(jpeg);
      expect(parts.every((part) => 'from' in part)).to.equal(true);
      await expectSamePixels(jpeg, output);
    }
  });
});

describe('what is stored of a PNG', () => {
  it('keeps chunks that say how it looks, and loses all others', async () => {
    const png = await plain('png');
    const kept = [
      pngChunk('gAMA', uint32(45_455)),
      pngChunk('pHYs', Buffer.from([0, 0, 11, 19, 0, 0, 11, 19, 1])),
    ];
    const made = withChunks(
      png,
      'IDAT',
      ...kept,
      pngChunk('tEXt', 'Author\0secret'),
      pngChunk('iTXt', 'XML:com.adobe.xmp\0\0\0\0\0secret'),
      pngChunk('zTXt', 'Author\0\0secret'),
      pngChunk('tIME', '\x07\xd0secret'.slice(0, 7)),
      pngChunk('prVt', '<script>secret</script>'),
      pngChunk('gAMA', 'secret!'),
      pngChunk('sPLT', 'secret'),
    );
    const { output } = await strip(Buffer.concat([made, Buffer.from('<html>secret')]));
    const expected = withChunks(png, 'IDAT', ...kept);
    const names = (bytes: Buffer): string[] => pngChunks(bytes).map(({ type }) => type);
    expect(names(output)).to.deep.equal(
      names(expected).filter((type, at, all) => all.indexOf(type) === at || type === 'IDAT'),
    );
    expect(output.includes('secret')).to.equal(false);
  });

  it('has the right checksum on the Orientation that is left', async () => {
    const { output, width } = await strip(await revealing('png', 8));
    const exif = pngChunks(output).find(({ type }) => type === 'eXIf');
    expect(width).to.equal(32);
    expect(exif?.data.length).to.equal(26);
    expect(output.subarray(exif?.from, exif?.to).equals(pngChunk('eXIf', exif?.data))).to.equal(true);
  });
});

describe('what is stored of a GIF, a WebP and an AVIF', () => {
  it('keeps the loop of a GIF, and loses its comments, texts and applications', async () => {
    const gif = await animated('gif');
    expect(gif.includes('NETSCAPE2.0')).to.equal(true);
    const made = withBlocks(
      gif,
      gifExtension(0xfe, '<script>secret</script>'),
      gifExtension(0xff, 'XMP DataXMP', 'secret'),
      gifExtension(0x01, 'secretsecret', 'secret'),
      gifExtension(0x77, 'secret'),
    );
    const { output } = await strip(Buffer.concat([made, Buffer.from('secret')]));
    expect(output.equals(gif)).to.equal(true);
  });

  it('puts the length and the flags of a WebP right', async () => {
    const webp = await revealing('webp', 1);
    const { output } = await strip(withRiffChunks(webp, riffChunk('SECR', 'secret!')));
    expect(output.readUInt32LE(4)).to.equal(output.length - 8);
    expect(output.toString('latin1', 12, 16)).to.equal('VP8X');
    expect((output[20] ?? 0) & 0x0c).to.equal(0);
    const simple = await plain('webp');
    expect((await strip(Buffer.concat([simple, Buffer.from('secret')]))).output.equals(simple)).to.equal(
      true,
    );
    expect((await strip(withRiffChunks(simple, riffChunk('EXIF', 'secret')))).output.equals(simple)).to.equal(
      true,
    );
  });

  it('moves nothing in an AVIF, and cuts what follows', async () => {
    const avif = await revealing('avif');
    // The name of an item.
    expect((await strip(animatedAvif())).output.includes('Color')).to.equal(false);
    const uuid = box('uuid', Buffer.from('be7acfcb97a942e89c71999491e3afac', 'hex'), 'secret');
    const { output } = await strip(Buffer.concat([avif, uuid, box('free', 'secret')]));
    expect(output.length).to.equal(avif.length);
    expect(output.includes('secret')).to.equal(false);
    expect((await strip(avif)).output.equals(output)).to.equal(true);
  });
});
