import type { ByteReader } from '../byte-reader.ts';
import { CUT_OFF, DamagedPicture, demand, demandProfileSize, PieceCount } from '../damage.ts';
import type { FoundPicture } from '../found-picture.ts';
import { exifOf, orientationOf, turned, type Orientation } from '../orientation.ts';
import { PartList, sizeOf } from '../parts.ts';
import type { Part } from '../picture.ts';
import { isSameSize, pixelsSize, uint24, type Size } from './webp-pixels.ts';

/*
 * A WebP is a RIFF file of chunks: name, length, data, and a 0 when the length is odd. A simple one has one
 * chunk of pixels. An extended one begins with VP8X, whose flags say which chunks follow. RFC 9649.
 */

const HEAD_BYTES = 12;
const VP8X_BYTES = 10;
const ANMF_HEAD_BYTES = 16;
const ICC = 0x20;
const ALPHA = 0x10;
const EXIF = 0x08;
const ANIMATED = 0x02;
/** Directories of real pictures have some hundred bytes. The Orientation is in the first one. */
const MAX_EXIF_BYTES = 65_536;
const PIXELS = ['VP8 ', 'VP8L'];

export function isWebp(head: Buffer): boolean {
  return head.toString('latin1', 0, 4) === 'RIFF' && head.toString('latin1', 8, 12) === 'WEBP';
}

interface Chunk {
  readonly name: string;
  readonly from: number;
  readonly data: number;
  readonly length: number;
  readonly to: number;
}

/** What the chunks behind the header say. */
interface State {
  readonly reader: ByteReader;
  /** Behind the header. */
  readonly body: PartList;
  readonly count: PieceCount;
  /** Of VP8X, or of the pixels of a simple picture. */
  canvas: Size | undefined;
  isExtended: boolean;
  /** Of VP8X; 0 in a simple picture. */
  flags: number;
  orientation: Orientation | undefined;
  hasProfile: boolean;
  hasAlpha: boolean;
  hasLoop: boolean;
  frames: number;
}

/** @see FormatReader */
export async function readWebp(reader: ByteReader): Promise<FoundPicture> {
  const end = 8 + (await reader.at(4, 4)).readUInt32LE();
  demand(end <= reader.bytes, CUT_OFF);
  const state: State = {
    reader,
    body: new PartList(),
    count: new PieceCount(),
    canvas: undefined,
    isExtended: false,
    flags: 0,
    orientation: undefined,
    hasProfile: false,
    hasAlpha: false,
    hasLoop: false,
    frames: 0,
  };
  for (let position = HEAD_BYTES; position < end;) {
    const chunk = await chunkAt(state, position, end);
    await readChunk(state, chunk);
    position = chunk.to;
  }
  return finish(state);
}

async function chunkAt({ reader, count }: State, position: number, end: number): Promise<Chunk> {
  count.add();
  demand(position + 8 <= end, CUT_OFF);
  const head = await reader.at(position, 8);
  const length = head.readUInt32LE(4);
  const data = position + 8;
  const to = data + length + (length % 2);
  demand(to <= end, CUT_OFF);
  return { name: head.toString('latin1', 0, 4), from: position, data, length, to };
}

async function finish(state: State): Promise<FoundPicture> {
  const { canvas, frames, orientation = 1 } = state;
  demand(canvas !== undefined && frames > 0, 'has no picture in it');
  return {
    type: 'webp',
    ...turned(canvas, orientation),
    frames,
    pixels: canvas.width * canvas.height * frames,
    parts: await withHeader(state),
  };
}

/** The length of the file, and the flags of an extended one, say what is left of it. */
async function withHeader(state: State): Promise<readonly Part[]> {
  const { reader, body, isExtended } = state;
  const found = Buffer.from(await reader.at(0, isExtended ? HEAD_BYTES + 8 + VP8X_BYTES : HEAD_BYTES));
  const ours = Buffer.from(found);
  ours.writeUInt32LE(ours.length - 8 + sizeOf(body.parts), 4);
  if (isExtended) ours.writeUInt32LE(flagsOf(state), HEAD_BYTES + 8);
  const whole = new PartList();
  if (ours.equals(found)) whole.keep(0, found.length);
  else whole.put(ours);
  whole.append(body.parts);
  return whole.parts;
}

function flagsOf({ flags, hasProfile, orientation = 1 }: State): number {
  return (flags & (ALPHA | ANIMATED)) | (hasProfile ? ICC : 0) | (orientation === 1 ? 0 : EXIF);
}

async function readChunk(state: State, chunk: Chunk): Promise<void> {
  const { name, from, to } = chunk;
  if (from === HEAD_BYTES && name === 'VP8X') return readExtendedHeader(state, chunk);
  if (PIXELS.includes(name)) return readPixels(state, chunk);
  if (!state.isExtended) return demand(state.frames > 0, 'does not begin with its pixels');
  if (name === 'VP8X') throw new DamagedPicture('has two headers (VP8X)');
  const isAnimated = (state.flags & ANIMATED) !== 0;
  if (name === 'ANMF') return readFrame(state, chunk, isAnimated);
  const isFirst = state.frames === 0;
  if (name === 'ICCP' && isFirst && !state.hasProfile && (state.flags & ICC) !== 0) {
    demandProfileSize(chunk.length);
    state.hasProfile = true;
  } else if (name === 'ANIM' && isFirst && isAnimated && !state.hasLoop) {
    demand(chunk.length === 6, 'has a damaged animation');
    state.hasLoop = true;
  } else if (name === 'ALPH' && isFirst && !isAnimated && !state.hasAlpha) state.hasAlpha = true;
  else return name === 'EXIF' ? readExif(state, chunk) : undefined;
  state.body.keep(from, to);
}

async function readExtendedHeader(state: State, { length, data }: Chunk): Promise<void> {
  demand(length === VP8X_BYTES, 'has a damaged header (VP8X)');
  const header = await state.reader.at(data, VP8X_BYTES);
  state.isExtended = true;
  state.flags = header.readUInt8();
  state.canvas = { width: uint24(header, 4) + 1, height: uint24(header, 7) + 1 };
}

async function readPixels(state: State, { name, from, data, length, to }: Chunk): Promise<void> {
  demand(state.frames === 0, 'has pixels in two places');
  demand((state.flags & ANIMATED) === 0, 'has pixels outside of its frames');
  const size = await pixelsSize(state.reader, name, data, length);
  if (state.canvas !== undefined) demand(isSameSize(size, state.canvas), 'says two different sizes');
  state.canvas = size;
  state.frames = 1;
  state.body.keep(from, to);
}

async function readFrame(
  state: State,
  { from, data, length, to }: Chunk,
  isAnimated: boolean,
): Promise<void> {
  const { reader, canvas } = state;
  demand(isAnimated && state.hasLoop && canvas !== undefined, 'has a damaged animation');
  demand(length >= ANMF_HEAD_BYTES, 'has a damaged frame');
  const head = await reader.at(data, ANMF_HEAD_BYTES);
  const [left, top] = [2 * uint24(head, 0), 2 * uint24(head, 3)];
  const said: Size = { width: uint24(head, 6) + 1, height: uint24(head, 9) + 1 };
  const isInside = left + said.width <= canvas.width && top + said.height <= canvas.height;
  demand(isInside, 'has a frame beyond its edge');
  let found: Size | undefined;
  for (let position = data + ANMF_HEAD_BYTES; position < data + length;) {
    const chunk = await chunkAt(state, position, data + length);
    demand(
      found === undefined && (chunk.name === 'ALPH' || PIXELS.includes(chunk.name)),
      'has a damaged frame',
    );
    if (chunk.name !== 'ALPH') found = await pixelsSize(reader, chunk.name, chunk.data, chunk.length);
    position = chunk.to;
  }
  demand(found !== undefined && isSameSize(found, said), 'has a damaged frame');
  state.frames += 1;
  state.body.keep(from, to);
}

/** Decoders read EXIF only where the flag announces it. The Orientation stays where it was. */
async function readExif(state: State, { from, data, length, to }: Chunk): Promise<void> {
  if (state.orientation !== undefined || (state.flags & EXIF) === 0) return;
  const exif = await state.reader.copy(data, data + Math.min(length, MAX_EXIF_BYTES));
  state.orientation = orientationOf(exif);
  if (state.orientation === 1) return;
  const tiff = exifOf(state.orientation);
  if (exif.equals(tiff)) return state.body.keep(from, to);
  const head = Buffer.from('EXIF\0\0\0\0', 'latin1');
  head.writeUInt32LE(tiff.length, 4);
  state.body.put(Buffer.concat([head, tiff]));
}
