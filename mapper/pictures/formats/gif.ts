import type { ByteReader } from '../byte-reader.ts';
import { demand, demandProfileSize, PieceCount } from '../damage.ts';
import type { FoundPicture } from '../found-picture.ts';
import { PartList } from '../parts.ts';

/*
 * A GIF is a screen, an optional colour table, and blocks: images, extensions, and the trailer. The data of a
 * block are sub-blocks of up to 255 bytes, each with its length before it, until one of length 0. GIF89a.
 */

const IMAGE = 0x2c;
const EXTENSION = 0x21;
const TRAILER = 0x3b;
/** Says for how long the next image is shown, and which colour is transparent. */
const GRAPHIC_CONTROL = 0xf9;
const APPLICATION = 0xff;
const GRAPHIC_CONTROL_BYTES = 8;
/** How often an animation runs. One that is longer than any real one hides something. */
const LOOPS = ['NETSCAPE2.0', 'ANIMEXTS1.0'];
const MAX_LOOP_BYTES = 32;
const COLOUR_PROFILE = 'ICCRGBG1012';

export function isGif(head: Buffer): boolean {
  return ['GIF87a', 'GIF89a'].includes(head.toString('latin1', 0, 6));
}

interface State {
  readonly reader: ByteReader;
  readonly parts: PartList;
  frames: number;
  /** Pixels of all frames. A frame may be larger than the screen. */
  area: number;
}

/** @see FormatReader */
export async function readGif(reader: ByteReader): Promise<FoundPicture> {
  const screen = await reader.at(6, 7);
  const [width, height] = [screen.readUInt16LE(0), screen.readUInt16LE(2)];
  demand(width > 0 && height > 0, 'has a width or height of 0');
  const state: State = { reader, parts: new PartList(), frames: 0, area: 0 };
  const count = new PieceCount();
  let position = 13 + tableBytes(screen.readUInt8(4));
  state.parts.keep(0, position);
  for (;;) {
    count.add();
    const kind = (await reader.at(position, 1)).readUInt8();
    if (kind === TRAILER) break;
    demand(kind === IMAGE || kind === EXTENSION, 'has bytes between its blocks that do not belong there');
    position = kind === IMAGE ? await readImage(state, position) : await readExtension(state, position);
  }
  state.parts.keep(position, position + 1);
  demand(state.frames > 0, 'has no picture in it');
  const pixels = Math.max(width * height * state.frames, state.area);
  return { type: 'gif', width, height, frames: state.frames, pixels, parts: state.parts.parts };
}

/** Of the colour table that these flags announce. */
function tableBytes(flags: number): number {
  return flags < 0x80 ? 0 : 3 * 2 ** ((flags & 7) + 1);
}

/** @returns where the next block begins */
async function readImage(state: State, from: number): Promise<number> {
  const image = await state.reader.at(from, 10);
  const [width, height] = [image.readUInt16LE(5), image.readUInt16LE(7)];
  demand(width > 0 && height > 0, 'has a frame with a width or height of 0');
  const data = from + 10 + tableBytes(image.readUInt8(9));
  const codeBits = (await state.reader.at(data, 1)).readUInt8();
  demand(codeBits >= 1 && codeBits <= 11, 'has a damaged frame');
  state.frames += 1;
  state.area += width * height;
  const to = await passSubBlocks(state.reader, data + 1);
  state.parts.keep(from, to);
  return to;
}

/** @returns where the next block begins */
async function readExtension(state: State, from: number): Promise<number> {
  const { reader, parts } = state;
  const label = (await reader.at(from, 2)).readUInt8(1);
  const to = await passSubBlocks(reader, from + 2);
  const isKept =
    label === GRAPHIC_CONTROL
      ? to - from === GRAPHIC_CONTROL_BYTES
      : label === APPLICATION && (await isKeptApplication(reader, from, to));
  if (isKept) parts.keep(from, to);
  return to;
}

async function isKeptApplication(reader: ByteReader, from: number, to: number): Promise<boolean> {
  const head = await reader.at(from, Math.min(14, to - from));
  const name = head[2] === 11 ? head.toString('latin1', 3, 14) : '';
  if (name === COLOUR_PROFILE) demandProfileSize(to - from);
  return name === COLOUR_PROFILE || (LOOPS.includes(name) && to - from <= MAX_LOOP_BYTES);
}

/** There may be millions of them. @returns the position behind the last one */
async function passSubBlocks(reader: ByteReader, start: number): Promise<number> {
  for (let position = start; ;) {
    const bytes = await reader.from(position);
    let at = 0;
    while (at < bytes.length) {
      const length = bytes[at] ?? 0;
      if (length === 0) return position + at + 1;
      at += 1 + length;
    }
    position += at;
  }
}
