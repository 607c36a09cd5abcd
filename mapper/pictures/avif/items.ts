import { demand, demandProfileSize, type PieceCount } from '../damage.ts';
import { BOX_PIECES, boxesIn, Fields, moved, type Box } from './boxes.ts';
import { pixelsOf, readDerivation, type Reference } from './derivation.ts';
import type { Overwrites } from './overwrites.ts';
import { readProperties, type ItemSize } from './properties.ts';
import { unneeded, merged, type Range } from './ranges.ts';

/** What the box `meta` says about the picture. */
export interface Items {
  /** As it is shown. */
  readonly size: ItemSize;
  /** That are decoded and drawn for it. Of transparency and gain maps together, if those are more. */
  readonly pixels: number;
  /** What is coded as AV1. */
  readonly coded: readonly CodedItem[];
  /** The bytes of the file in which its pixels are. */
  readonly needed: readonly Range[];
}

export interface CodedItem {
  /** Undefined: it says none. */
  readonly size: ItemSize | undefined;
  /** Of several layers, of which some may be smaller. */
  readonly isLayered: boolean;
  /** In the file, in the order in which a decoder reads them. */
  readonly extents: readonly Range[];
}

const KEPT = ['hdlr', 'pitm', 'iloc', 'iinf', 'iref', 'iprp', 'idat', 'dinf', 'grpl'];

interface Place {
  readonly isInIdat: boolean;
  readonly extents: readonly Range[];
}

/**
 * Reads `meta`, and overwrites what is no picture in it: ISO/IEC 14496-12, 8.11, and 23008-12.
 * @param bytes the box from its beginning
 * @param base its position in the file
 * @throws DamagedPicture
 */
export function readItems(
  bytes: Buffer,
  meta: Box,
  base: number,
  over: Overwrites,
  count: PieceCount,
): Items {
  const boxes = boxesIn(bytes, { body: meta.body + 4, to: meta.to }, count);
  const only = (type: string): Box => {
    const found = boxes.filter((box) => box.type === type);
    demand(found.length === 1, `has ${found.length} boxes ${type} instead of one`);
    return found[0] ?? meta;
  };
  for (const box of boxes)
    if (!KEPT.includes(box.type)) over.free(moved(box, base));
    else if (box.type === 'hdlr') over.zero(base + Math.min(box.body + 24, box.to), base + box.to);
  const items = itemsIn(bytes, only('iinf'), count);
  const primary = primaryOf(bytes, only('pitm'));
  const references = boxes
    .filter(({ type }) => type === 'iref')
    .flatMap((box) => referencesOf(bytes, box, count));
  const derivation = readDerivation(primary, items, references);
  const { shown } = derivation;
  demand(shown.has(primary), 'has no picture in it');
  for (const [id, { at, to }] of items) {
    // Viewers that look for EXIF take a picture for broken whose EXIF is empty. Of items of an unknown type
    // they take no notice.
    if (!shown.has(id)) over.setType(base + at);
    over.zero(base + at + 4, base + to);
  }
  const places = placesOf(bytes, only('iloc'), count);
  const idat = boxes.filter(({ type }) => type === 'idat');
  const extents = (isInIdat: boolean): Range[] =>
    [...shown].flatMap((id) => {
      const place = places.get(id);
      return place?.isInIdat === isInIdat ? place.extents : [];
    });
  const inIdat = extents(true).map(({ from, to }) => ({
    from: from + (idat[0]?.body ?? 0),
    to: to + (idat[0]?.body ?? 0),
  }));
  for (const { from, to } of unneeded(
    idat.map(({ body, to }) => ({ from: body, to })),
    merged(inIdat),
  ))
    over.zero(base + from, base + to);
  const properties = readProperties(bytes, only('iprp'), base, over, count);
  demandProfileSize(properties.profileBytes);
  const size = properties.sizeOf(primary);
  demand(size !== undefined, 'does not say its size');
  const coded = [...shown]
    .filter((id) => items.get(id)?.type === 'av01')
    .map((id): CodedItem => {
      const { isInIdat = false, extents: own = [] } = places.get(id) ?? {};
      const start = isInIdat ? base + (idat[0]?.body ?? 0) : 0;
      return {
        size: properties.codedSizeOf(id),
        isLayered: properties.isLayered(id),
        extents: [
          ...properties.configurationOf(id),
          ...own.map(({ from, to }) => ({ from: start + from, to: start + to })),
        ],
      };
    });
  const pixels = pixelsOf(derivation, (id) => properties.pixelsOf(id));
  return { size, pixels, coded, needed: extents(false) };
}

function primaryOf(bytes: Buffer, box: Box): number {
  const fields = new Fields(bytes, box);
  return fields.uint(fields.version().version === 0 ? 2 : 4);
}

interface Item {
  readonly type: string;
  /** Where its type is. Its name follows. */
  readonly at: number;
  readonly to: number;
}

function itemsIn(bytes: Buffer, box: Box, count: PieceCount): Map<number, Item> {
  const fields = new Fields(bytes, box);
  fields.skip(fields.version().version === 0 ? 2 : 4);
  const items = new Map<number, Item>();
  for (const entry of boxesIn(bytes, { body: fields.at, to: box.to }, count)) {
    demand(entry.type === 'infe', 'has a damaged structure');
    const item = new Fields(bytes, entry);
    const { version } = item.version();
    demand(version === 2 || version === 3, 'has a damaged structure');
    const id = item.uint(version === 2 ? 2 : 4);
    demand(item.uint(2) === 0, 'is encrypted');
    demand(!items.has(id), 'has a damaged structure');
    const { at } = item;
    items.set(id, { type: item.type(), at, to: entry.to });
  }
  return items;
}

function referencesOf(bytes: Buffer, box: Box, count: PieceCount): Reference[] {
  const size = new Fields(bytes, box).version().version === 0 ? 2 : 4;
  return boxesIn(bytes, { body: box.body + 4, to: box.to }, count).map((one) => {
    const fields = new Fields(bytes, one);
    const from = fields.uint(size);
    const targets = fields.uint(2);
    count.add(targets);
    return { kind: one.type, from, to: Array.from({ length: targets }, () => fields.uint(size)) };
  });
}

function placesOf(bytes: Buffer, box: Box, count: PieceCount): Map<number, Place> {
  const fields = new Fields(bytes, box);
  const { version } = fields.version();
  demand(version <= 2, 'has a damaged structure');
  const sizes = fields.uint(2);
  const [offsetSize, lengthSize, baseSize] = [sizes >> 12, (sizes >> 8) & 15, (sizes >> 4) & 15];
  const indexSize = version === 0 ? 0 : sizes & 15;
  demand(
    [offsetSize, lengthSize, baseSize, indexSize].every((size) => [0, 4, 8].includes(size)),
    'has a damaged structure',
  );
  const places = new Map<number, Place>();
  const items = fields.uint(version < 2 ? 2 : 4);
  for (let item = 0; item < items; item += 1) {
    const id = fields.uint(version < 2 ? 2 : 4);
    const method = version === 0 ? 0 : fields.uint(2) & 15;
    demand(method <= 1 && fields.uint(2) === 0, 'has its pixels in another file');
    const start = fields.uint(baseSize);
    const number = fields.uint(2);
    count.add(BOX_PIECES * (1 + number));
    const extents = Array.from({ length: number }, () => {
      fields.skip(indexSize);
      const from = start + fields.uint(offsetSize);
      return { from, to: from + fields.uint(lengthSize) };
    });
    demand(!places.has(id), 'has a damaged structure');
    places.set(id, { isInIdat: method === 1, extents });
  }
  return places;
}
