import { demand, type PieceCount } from '../damage.ts';
import { boxesIn, Fields, moved, type Box } from './boxes.ts';
import type { Overwrites } from './overwrites.ts';
import type { Range } from './ranges.ts';

export interface ItemSize {
  readonly width: number;
  readonly height: number;
}

export interface Properties {
  /** Cropped and turned, as it is shown. @returns undefined: it says none */
  sizeOf(item: number): ItemSize | undefined;
  /** Before it is cropped and turned. */
  codedSizeOf(item: number): ItemSize | undefined;
  /** Before it is cropped. 0: it says none. */
  pixelsOf(item: number): number;
  /** AV1 that the file says beside the item, and decoders read before it. In the file. */
  configurationOf(item: number): readonly Range[];
  /** Of several layers, of which some may be smaller. */
  isLayered(item: number): boolean;
  /** Of all colour profiles together. */
  readonly profileBytes: number;
}

/** Properties that say how a picture looks. Others, such as descriptions, say nothing to a viewer. */
const KEPT =
  'ispe pixi av1C colr pasp clap irot imir auxC a1op lsel a1lx clli mdcv amve cclv rloc ndwt reve'.split(' ');

const LAYERS = ['a1op', 'lsel', 'a1lx'];

/** Reads `iprp`, and overwrites the properties that are none of the picture. @throws DamagedPicture */
export function readProperties(
  bytes: Buffer,
  iprp: Box,
  base: number,
  over: Overwrites,
  count: PieceCount,
): Properties {
  const boxes = boxesIn(bytes, iprp, count);
  const container = boxes.find(({ type }) => type === 'ipco');
  demand(container !== undefined, 'does not say its size');
  const all = boxesIn(bytes, container, count);
  for (const box of all) if (!KEPT.includes(box.type)) over.free(moved(box, base));
  const owned = new Map<number, Box[]>();
  for (const box of boxes)
    if (box.type === 'ipma') associate(bytes, box, all, owned, count);
    else if (box !== container) over.free(moved(box, base));
  const sizeBefore = (item: number): ItemSize | undefined => sizeIn(bytes, owned.get(item) ?? []);
  return {
    profileBytes: all.reduce((sum, { type, body, to }) => sum + (type === 'colr' ? to - body : 0), 0),
    codedSizeOf: sizeBefore,
    configurationOf: (item) =>
      (owned.get(item) ?? [])
        .filter(({ type }) => type === 'av1C')
        .map(({ body, to }) => ({ from: base + Math.min(body + 4, to), to: base + to })),
    isLayered: (item) => (owned.get(item) ?? []).some(({ type }) => LAYERS.includes(type)),
    pixelsOf: (item) => {
      const { width, height } = sizeBefore(item) ?? { width: 0, height: 0 };
      return width * height;
    },
    sizeOf: (item) => {
      const size = sizeBefore(item);
      return size === undefined ? undefined : asShown(bytes, owned.get(item) ?? [], size);
    },
  };
}

function associate(
  bytes: Buffer,
  box: Box,
  all: readonly Box[],
  owned: Map<number, Box[]>,
  count: PieceCount,
): void {
  const fields = new Fields(bytes, box);
  const { version, flags } = fields.version();
  const entries = fields.uint(4);
  for (let entry = 0; entry < entries; entry += 1) {
    const item = fields.uint(version < 1 ? 2 : 4);
    const number = fields.uint(1);
    count.add(1 + number);
    const properties = owned.get(item) ?? [];
    for (let place = 0; place < number; place += 1) {
      const index = (flags & 1) === 1 ? fields.uint(2) & 0x7fff : fields.uint(1) & 0x7f;
      const property = all[index - 1];
      if (property !== undefined) properties.push(property);
    }
    owned.set(item, properties);
  }
}

function sizeIn(bytes: Buffer, properties: readonly Box[]): ItemSize | undefined {
  const ispe = properties.find(({ type }) => type === 'ispe');
  if (ispe === undefined) return undefined;
  const fields = new Fields(bytes, ispe);
  fields.version();
  return { width: fields.uint(4), height: fields.uint(4) };
}

/** First cropped (clap), then turned (irot). Mirroring changes no size. */
function asShown(bytes: Buffer, properties: readonly Box[], size: ItemSize): ItemSize {
  let { width, height } = size;
  const clap = properties.find(({ type }) => type === 'clap');
  if (clap !== undefined) {
    const fields = new Fields(bytes, clap);
    const [across, acrossPer, down, downPer] = [
      fields.uint(4),
      fields.uint(4),
      fields.uint(4),
      fields.uint(4),
    ];
    demand(acrossPer > 0 && downPer > 0, 'is cropped to nothing');
    [width, height] = [Math.round(across / acrossPer), Math.round(down / downPer)];
    demand(width <= size.width && height <= size.height, 'is cropped to more than there is');
  }
  const irot = properties.find(({ type }) => type === 'irot');
  const isTurned = irot !== undefined && new Fields(bytes, irot).uint(1) % 2 === 1;
  return isTurned ? { width: height, height: width } : { width, height };
}
