import { expect } from 'chai';
import { animatedAvif, box, uint32 } from './made.ts';
import { faultOf, strip, whyDamaged } from './reading.ts';

/*
 * AVIF files made by hand, with things in them that no encoder here writes. Their pixels are no AV1 but for
 * its header: only the structure is tested.
 */

interface MadeItem {
  readonly id: number;
  readonly type: string;
  /** Behind a sequence header, if it is AV1. */
  readonly data: string;
  /** What the sequence header says. Default: the size of the picture. */
  readonly coded?: readonly [width: number, height: number];
  /** What the file says. */
  readonly said?: readonly [width: number, height: number];
  readonly isInIdat?: boolean;
}

interface Made {
  readonly items: readonly MadeItem[];
  readonly references?: readonly Buffer[];
  /** Properties of item 1. */
  readonly properties?: readonly Buffer[];
  /** More boxes in `meta`. */
  readonly more?: readonly Buffer[];
  /** Bytes of `mdat` that belong to no item. */
  readonly gap?: string;
}

const FULL = Buffer.alloc(4);

function uint16(...values: readonly number[]): Buffer {
  return Buffer.from(values.flatMap((value) => [value >> 8, value & 255]));
}

/** Of AV1: a still picture of this size, and nothing behind the size. */
function sequenceHeader(width: number, height: number): Buffer {
  const number = (value: number, bits: number): string => value.toString(2).padStart(bits, '0');
  // Profile 0, a still picture with a short header, level 0, 16 bits for each size.
  const bits = `000110000011111111${number(width - 1, 16)}${number(height - 1, 16)}`;
  const bytes = bits.padEnd(56, '0').match(/.{8}/g) ?? [];
  return Buffer.from([0x0a, bytes.length, ...bytes.map((byte) => Number.parseInt(byte, 2))]);
}

const SIZE = [60, 40] as const;

/** A sequence header, and the text in a unit that means nothing. */
function bytesOf({ type, data, coded = SIZE }: MadeItem): Buffer {
  if (type !== 'av01') return Buffer.from(data);
  return Buffer.concat([sequenceHeader(...coded), Buffer.from([0x78]), Buffer.from(data)]);
}

function made({ items, references = [], properties = [], more = [], gap = '' }: Made): Buffer {
  const sizes = items.map(({ said = SIZE }) => box('ispe', FULL, uint32(...said)));
  const all = [...sizes, ...properties];
  const owned = items.map(({ id }, index) => {
    const others = id === 1 ? properties.map((_, place) => sizes.length + place + 1) : [];
    return Buffer.concat([uint16(id), Buffer.from([1 + others.length, index + 1, ...others])]);
  });
  const build = (start: number): Buffer => {
    let [inFile, inIdat] = [start + gap.length, 0];
    const places = items.map((item) => {
      const { length } = bytesOf(item);
      const at = item.isInIdat === true ? inIdat : inFile;
      if (item.isInIdat === true) inIdat += length;
      else inFile += length;
      return Buffer.concat([uint16(item.id, item.isInIdat === true ? 1 : 0, 0, 1), uint32(at, length)]);
    });
    const infe = ({ id, type }: MadeItem): Buffer =>
      box('infe', Buffer.from([2, 0, 0, 0]), uint16(id, 0), type, 'secret\0');
    const idat = items.flatMap((item) => (item.isInIdat === true ? [bytesOf(item)] : []));
    const meta = box(
      'meta',
      FULL,
      box('hdlr', FULL, FULL, 'pict', Buffer.alloc(12), 'secret\0'),
      box('pitm', FULL, uint16(1)),
      box('iloc', Buffer.from([1, 0, 0, 0, 0x44, 0]), uint16(items.length), ...places),
      box('iinf', FULL, uint16(items.length), ...items.map(infe)),
      box('iref', FULL, ...references),
      box('iprp', box('ipco', ...all), box('ipma', FULL, uint32(items.length), ...owned)),
      box('idat', ...idat, 'secret'),
      ...more,
    );
    return Buffer.concat([box('ftyp', 'avif', FULL, 'avifmif1'), meta]);
  };
  const head = build(0).length + 8;
  const data = items.flatMap((item) => (item.isInIdat === true ? [] : [bytesOf(item)]));
  return Buffer.concat([build(head), box('mdat', gap, ...data)]);
}

function refer(kind: string, from: number, ...to: number[]): Buffer {
  return box(kind, uint16(from, to.length, ...to));
}

const PICTURE: MadeItem = { id: 1, type: 'av01', data: 'PIXELS' };

describe('what is stored of an AVIF', () => {
  it('is what its picture is drawn from: tiles, transparency, gain map', async () => {
    const file = made({
      items: [
        { id: 1, type: 'grid', data: 'GRID', isInIdat: true },
        { id: 2, type: 'av01', data: 'TILE', coded: [30, 40], said: [30, 40] },
        { id: 3, type: 'av01', data: 'ALPHA' },
        { id: 4, type: 'av01', data: 'secret thumbnail' },
        { id: 5, type: 'tmap', data: 'TONES' },
        { id: 6, type: 'av01', data: 'GAIN' },
        { id: 7, type: 'av01', data: 'secret picture' },
        { id: 8, type: 'Exif', data: 'secret' },
        { id: 9, type: 'mime', data: 'secret', isInIdat: true },
      ],
      references: [
        refer('dimg', 1, 2, 2),
        refer('auxl', 3, 1),
        refer('thmb', 4, 1),
        refer('dimg', 5, 1, 6),
        refer('cdsc', 8, 1),
      ],
      gap: 'secret gap',
    });
    const { output, width, height } = await strip(file);
    expect([width, height, output.length]).to.deep.equal([60, 40, file.length]);
    for (const kept of ['GRID', 'TILE', 'ALPHA', 'TONES', 'GAIN'])
      expect(output.indexOf(kept), kept).to.equal(file.indexOf(kept));
    expect(output.includes('secret')).to.equal(false);
  });

  it('has the size at which it is shown: cropped, then turned', async () => {
    const sizeWith = async (...properties: Buffer[]): Promise<number[]> => {
      const { width, height } = await strip(made({ items: [PICTURE], properties }));
      return [width, height];
    };
    const crop = box('clap', uint32(50, 1, 30, 1, 0, 1, 0, 1));
    expect(await sizeWith()).to.deep.equal([60, 40]);
    expect(await sizeWith(box('irot', Buffer.from([1])))).to.deep.equal([40, 60]);
    expect(await sizeWith(box('irot', Buffer.from([2])), box('imir', Buffer.from([1])))).to.deep.equal([
      60, 40,
    ]);
    expect(await sizeWith(crop, box('irot', Buffer.from([3])))).to.deep.equal([30, 50]);
    expect(
      await whyDamaged(
        made({ items: [PICTURE], properties: [box('clap', uint32(61, 1, 30, 1, 0, 1, 0, 1))] }),
      ),
    ).to.equal('is cropped to more than there is');
  });

  it('has no descriptions, no other boxes, and one colour profile of a bounded size', async () => {
    const described = made({
      items: [PICTURE],
      properties: [box('udes', FULL, 'secret'), box('uuid', Buffer.alloc(16), 'secret')],
      more: [box('xml ', FULL, '<secret/>'), box('uuid', Buffer.alloc(16), 'secret')],
    });
    expect((await strip(described)).output.includes('secret')).to.equal(false);
    const profile = made({ items: [PICTURE], properties: [box('colr', 'prof', Buffer.alloc(5 * 2 ** 20))] });
    expect(await whyDamaged(profile)).to.equal('has a colour profile of more than 4 MiB');
  });

  it('is nothing when its items are not where they should be', async () => {
    const file = made({ items: [PICTURE] });
    const data = file.indexOf(sequenceHeader(...SIZE));
    const { length } = bytesOf(PICTURE);
    const at = file.indexOf(uint32(data, length));
    const moved = (...place: readonly [from: number, length: number]): Buffer => {
      const bytes = Buffer.from(file);
      uint32(...place).copy(bytes, at);
      return bytes;
    };
    expect(await whyDamaged(moved(0, 6))).to.equal('has pixels in a wrong place');
    expect(await whyDamaged(moved(data, length + 1))).to.equal('is cut off in the middle');
    expect(await whyDamaged(moved(data - 1, length))).to.equal('has pixels in a wrong place');
    expect(await whyDamaged(made({ items: [{ ...PICTURE, type: 'hvc1' }] }))).to.equal(
      'has no picture in it',
    );
    expect(await whyDamaged(made({ items: [PICTURE, PICTURE] }))).to.equal('has a damaged structure');
  });
});

describe('the tracks of an AVIF', () => {
  it('have no name of a program, no boxes of others, and no other file', async () => {
    const { output } = await strip(animatedAvif());
    const entry = output.indexOf('av01', output.indexOf('stsd'));
    expect(output.subarray(entry + 46, entry + 78).every((byte) => byte === 0)).to.equal(true);
    const hidden = animatedAvif();
    hidden.write('secret', hidden.indexOf('av01', hidden.indexOf('stsd')) + 47);
    expect((await strip(hidden)).output.includes('secret')).to.equal(false);
  });
});

describe('the pixels of an AVIF', () => {
  const large = [9_900, 10_000] as const;
  const tile: MadeItem = { id: 2, type: 'av01', data: 'TILE', coded: large, said: large };
  const grid: MadeItem = { id: 1, type: 'grid', data: 'GRID', isInIdat: true };

  it('are as many as its data say', async () => {
    const item = { ...PICTURE, coded: [32_768, 32_768] } as const;
    expect(await whyDamaged(made({ items: [item] }))).to.equal('says two different sizes');
    expect(await whyDamaged(made({ items: [{ ...PICTURE, coded: [60, 41] }] }))).to.equal(
      'says two different sizes',
    );
    // Decoders read the configuration first.
    const configuration = box('av1C', Buffer.alloc(4), sequenceHeader(32_768, 32_768));
    expect(await whyDamaged(made({ items: [PICTURE], properties: [configuration] }))).to.equal(
      'says two different sizes',
    );
    const right = box('av1C', Buffer.alloc(4), sequenceHeader(...SIZE));
    expect((await strip(made({ items: [PICTURE], properties: [right] }))).width).to.equal(60);
  });

  it('are those of all tiles, as often as each is drawn', async () => {
    expect((await strip(made({ items: [grid, tile], references: [refer('dimg', 1, 2)] }))).width).to.equal(
      60,
    );
    const twice = made({ items: [grid, tile], references: [refer('dimg', 1, 2, 2)] });
    expect(await faultOf(twice)).to.deep.equal({ kind: 'too-many-pixels', pixels: 198_000_000 });
    const nested = made({
      items: [grid, { ...grid, id: 3 }, tile],
      references: [refer('dimg', 1, 3, 3), refer('dimg', 3, 2)],
    });
    expect(await faultOf(nested)).to.deep.equal({ kind: 'too-many-pixels', pixels: 198_000_000 });
    const endless = made({
      items: [grid, { ...grid, id: 3 }],
      references: [refer('dimg', 1, 3), refer('dimg', 3, 1)],
    });
    expect(await whyDamaged(endless)).to.equal('has a damaged structure');
  });

  it('are those of its transparency and its gain map, if those are more', async () => {
    const aid = { ...tile, data: 'AID' };
    const file = (references: Buffer[]): Buffer =>
      made({
        items: [PICTURE, aid, { ...aid, id: 3 }, { id: 5, type: 'tmap', data: 'TONES' }],
        references,
      });
    expect((await strip(file([refer('auxl', 2, 1)]))).width).to.equal(60);
    for (const references of [
      [refer('auxl', 2, 1), refer('auxl', 3, 1)],
      [refer('auxl', 2, 1), refer('dimg', 5, 1, 3)],
    ])
      expect(await faultOf(file(references))).to.deep.equal({
        kind: 'too-many-pixels',
        pixels: 198_000_000,
      });
  });
});
