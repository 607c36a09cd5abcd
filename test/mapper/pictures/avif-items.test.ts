import { expect } from 'chai';
import { box, uint32 } from './made.ts';
import { strip, whyDamaged } from './reading.ts';

/*
 * AVIF files made by hand, with things in them that no encoder here writes. Their pixels are no AV1: only the
 * structure is tested.
 */

interface MadeItem {
  readonly id: number;
  readonly type: string;
  readonly data: string;
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

function made({ items, references = [], properties = [], more = [], gap = '' }: Made): Buffer {
  const all = [box('ispe', FULL, uint32(60, 40)), ...properties];
  const build = (start: number): Buffer => {
    let [inFile, inIdat] = [start + gap.length, 0];
    const places = items.map(({ id, data, isInIdat }) => {
      const at = isInIdat === true ? inIdat : inFile;
      if (isInIdat === true) inIdat += data.length;
      else inFile += data.length;
      return Buffer.concat([uint16(id, isInIdat === true ? 1 : 0, 0, 1), uint32(at, data.length)]);
    });
    const infe = ({ id, type }: MadeItem): Buffer =>
      box('infe', Buffer.from([2, 0, 0, 0]), uint16(id, 0), type, 'secret\0');
    const idat = items.flatMap(({ data, isInIdat }) => (isInIdat === true ? [data] : [])).join('');
    const meta = box(
      'meta',
      FULL,
      box('hdlr', FULL, FULL, 'pict', Buffer.alloc(12), 'secret\0'),
      box('pitm', FULL, uint16(1)),
      box('iloc', Buffer.from([1, 0, 0, 0, 0x44, 0]), uint16(items.length), ...places),
      box('iinf', FULL, uint16(items.length), ...items.map(infe)),
      box('iref', FULL, ...references),
      box(
        'iprp',
        box('ipco', ...all),
        box(
          'ipma',
          FULL,
          uint32(1),
          uint16(1),
          Buffer.from([all.length, ...all.keys().map((index) => index + 1)]),
        ),
      ),
      box('idat', `${idat}secret`),
      ...more,
    );
    return Buffer.concat([box('ftyp', 'avif', FULL, 'avifmif1'), meta]);
  };
  const head = build(0).length + 8;
  const data = items.flatMap((item) => (item.isInIdat === true ? [] : [item.data])).join('');
  return Buffer.concat([build(head), box('mdat', gap, data)]);
}

const PICTURE: MadeItem = { id: 1, type: 'av01', data: 'PIXELS' };

describe('what is stored of an AVIF', () => {
  it('is what its picture is drawn from: tiles, transparency, gain map', async () => {
    const refer = (kind: string, from: number, ...to: number[]): Buffer =>
      box(kind, uint16(from, to.length, ...to));
    const file = made({
      items: [
        { id: 1, type: 'grid', data: 'GRID', isInIdat: true },
        { id: 2, type: 'av01', data: 'TILE' },
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
    const data = file.indexOf('PIXELS');
    const at = file.indexOf(uint32(data, 6));
    const moved = (from: number, length: number): Buffer => {
      const bytes = Buffer.from(file);
      uint32(from, length).copy(bytes, at);
      return bytes;
    };
    expect(await whyDamaged(moved(0, 6))).to.equal('has pixels in a wrong place');
    expect(await whyDamaged(moved(data, 7))).to.equal('is cut off in the middle');
    expect(await whyDamaged(moved(data - 1, 6))).to.equal('has pixels in a wrong place');
    expect(await whyDamaged(made({ items: [{ ...PICTURE, type: 'hvc1' }] }))).to.equal(
      'has no picture in it',
    );
    expect(await whyDamaged(made({ items: [PICTURE, PICTURE] }))).to.equal('has a damaged structure');
  });
});
