import { promisify } from 'node:util';
import { crc32, inflate, type ZlibOptions } from 'node:zlib';
import type { ByteReader } from '../byte-reader.ts';
import {
  demand,
  demandProfileSize,
  DamagedPicture,
  MAX_PROFILE_BYTES,
  PieceCount,
  WRONG_CHECKSUM,
} from '../damage.ts';
import type { FoundPicture } from '../found-picture.ts';
import { exifOf, orientationOf, turned, type Orientation } from '../orientation.ts';
import { PartList } from '../parts.ts';
import { Animation } from './png-animation.ts';
import { holdsPixels } from './png-checksums.ts';

/*
 * A PNG is a signature and a chain of chunks: length, type, data, CRC of type and data. A decoder must know a
 * chunk whose type begins with a capital letter. W3C, PNG Specification (Third Edition); APNG is part of it.
 */

const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
/** Length, type and CRC. */
const FRAME_BYTES = 12;
const MAX_NUMBER = 2 ** 31 - 1;
const BIT_DEPTHS: Readonly<Record<number, readonly number[]>> = {
  0: [1, 2, 4, 8, 16],
  2: [8, 16],
  3: [1, 2, 4, 8],
  4: [8, 16],
  6: [8, 16],
};

/**
 * Chunks that say how the picture looks, with the lengths that they may have. All others are left out: text,
 * the time, suggested palettes, chunks of programs, and those of a wrong length, which decoders ignore.
 */
const KEPT: Readonly<Record<string, (length: number) => boolean>> = {
  tRNS: (length) => length <= 256,
  gAMA: (length) => length === 4,
  cHRM: (length) => length === 32,
  sRGB: (length) => length === 1,
  cICP: (length) => length === 4,
  sBIT: (length) => length <= 4,
  bKGD: (length) => length <= 6,
  pHYs: (length) => length === 9,
  mDCV: (length) => length === 24,
  cLLI: (length) => length === 8,
  // The names in drafts of the standard.
  mDCv: (length) => length === 24,
  cLLi: (length) => length === 8,
};

/** With `info`, it also says how much it has read. The types of Node do not know that. */
const inflated = promisify(inflate) as unknown as (
  packed: Buffer,
  options: ZlibOptions,
) => Promise<{ readonly engine: { readonly bytesWritten: number } }>;

export function isPng(head: Buffer): boolean {
  return head.subarray(0, SIGNATURE.length).equals(SIGNATURE);
}

interface Chunk {
  readonly type: string;
  readonly length: number;
  readonly from: number;
  /** Where its data begin. */
  readonly data: number;
  readonly to: number;
}

interface State {
  readonly reader: ByteReader;
  readonly parts: PartList;
  size: { width: number; height: number };
  animation: Animation | undefined;
  orientation: Orientation | undefined;
  /** The pixels of the picture: not yet, now, or over. */
  pixels: 'before' | 'in' | 'behind';
  /** Types of kept chunks that may come only once. */
  readonly seen: Set<string>;
}

/** @see FormatReader */
export async function readPng(reader: ByteReader): Promise<FoundPicture> {
  const state: State = {
    reader,
    parts: new PartList(),
    size: { width: 0, height: 0 },
    animation: undefined,
    orientation: undefined,
    pixels: 'before',
    seen: new Set(),
  };
  const count = new PieceCount();
  state.parts.keep(0, SIGNATURE.length);
  for (let position = SIGNATURE.length; ;) {
    count.add();
    const chunk = await chunkAt(reader, position);
    demand(position > SIGNATURE.length || chunk.type === 'IHDR', 'does not begin with its header (IHDR)');
    await readChunk(state, chunk);
    if (chunk.type === 'IEND') return finish(state);
    position = chunk.to;
  }
}

function finish({ size, animation, orientation = 1, pixels, parts }: State): FoundPicture {
  demand(pixels !== 'before', 'has no picture in it');
  animation?.finish();
  const frames = animation?.frames ?? 1;
  // A picture for viewers without animation is decoded too.
  const drawn = frames + (animation?.hasOtherDefault === true ? 1 : 0);
  return {
    type: 'png',
    ...turned(size, orientation),
    frames,
    pixels: size.width * size.height * drawn,
    parts: parts.parts,
  };
}

async function chunkAt(reader: ByteReader, position: number): Promise<Chunk> {
  const head = await reader.at(position, 8);
  const length = head.readUInt32BE();
  const type = head.toString('latin1', 4, 8);
  demand(/^[A-Za-z]{4}$/.test(type), 'has a chunk without a valid name');
  demand(length <= MAX_NUMBER, 'has a chunk of an impossible length');
  return { type, length, from: position, data: position + 8, to: position + FRAME_BYTES + length };
}

async function readChunk(state: State, chunk: Chunk): Promise<void> {
  const { type } = chunk;
  if (type !== 'IDAT' && state.pixels === 'in') state.pixels = 'behind';
  if (/^[A-Z]/.test(type)) {
    await readCritical(state, chunk);
    return keep(state, chunk);
  }
  if (type === 'eXIf') return readExif(state, chunk);
  if (type === 'iCCP') return readProfile(state, chunk);
  if (type === 'acTL' || type === 'fcTL' || type === 'fdAT') return readAnimated(state, chunk);
  const isKept = KEPT[type]?.(chunk.length) === true && state.pixels === 'before' && !state.seen.has(type);
  if (!isKept) return pass(state, chunk);
  state.seen.add(type);
  return keep(state, chunk);
}

/**
 * Keeps a chunk of the right CRC. That of pixels is left to the decoder, which reads all bytes in a process
 * of its own: a megabyte takes 0.23 ms, in which redirects would wait.
 */
async function keep(state: State, chunk: Chunk): Promise<void> {
  const { reader, parts } = state;
  const { type, from, data, to } = chunk;
  if (holdsPixels(type)) {
    await pass(state, chunk);
    return parts.keep(from, to);
  }
  let sum = 0;
  await reader.visit(data - 4, to - 4, (piece) => {
    sum = crc32(piece, sum);
  });
  demand((await reader.at(to - 4, 4)).readUInt32BE() === sum, WRONG_CHECKSUM);
  parts.keep(from, to);
}

/** Leaves a chunk out, which must be there to its end. */
async function pass({ reader }: State, { to }: Chunk): Promise<void> {
  await reader.at(to - 1, 1);
}

async function readCritical(state: State, { type, length, data }: Chunk): Promise<void> {
  const isFirst = !state.seen.has(type);
  state.seen.add(type);
  switch (type) {
    case 'IHDR':
      demand(isFirst && length === 13, 'has a damaged header (IHDR)');
      return readHeader(state, await state.reader.at(data, 13));
    case 'PLTE':
      demand(isFirst && state.pixels === 'before', 'has a palette in a wrong place');
      return demand(length > 0 && length <= 768 && length % 3 === 0, 'has a damaged palette');
    case 'IDAT':
      demand(state.pixels !== 'behind', 'has pixels in two places');
      state.animation?.addDefault();
      state.pixels = 'in';
      return;
    case 'IEND':
      return demand(length === 0, 'has a damaged end (IEND)');
    default:
      throw new DamagedPicture(`has a part of an unknown kind (${type})`);
  }
}

function readHeader(state: State, header: Buffer): void {
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  demand(width > 0 && height > 0, 'has a width or height of 0');
  demand(width <= MAX_NUMBER && height <= MAX_NUMBER, 'has an impossible width or height');
  const [depth = 0, colour = 0, compression, filter, interlace = 2] = header.subarray(8);
  demand(BIT_DEPTHS[colour]?.includes(depth) === true, 'has a kind of colours that does not exist');
  demand(compression === 0 && filter === 0 && interlace <= 1, 'is packed in a way that does not exist');
  state.size = { width, height };
}

async function readExif(state: State, chunk: Chunk): Promise<void> {
  // Directories of real pictures have some hundred bytes. The Orientation is in the first one.
  const exif = await state.reader.copy(chunk.data, Math.min(chunk.to - 4, chunk.data + 65_536));
  await pass(state, chunk);
  if (state.orientation !== undefined) return;
  state.orientation = orientationOf(exif);
  if (state.orientation === 1) return;
  const tiff = exifOf(state.orientation);
  if (exif.equals(tiff)) return keep(state, chunk);
  const named = Buffer.concat([Buffer.from('eXIf'), tiff]);
  const ours = Buffer.alloc(FRAME_BYTES + tiff.length);
  ours.writeUInt32BE(tiff.length);
  named.copy(ours, 4);
  ours.writeUInt32BE(crc32(named), ours.length - 4);
  state.parts.put(ours);
}

/** A profile that cannot be unpacked is left out: decoders ignore it. */
async function readProfile(state: State, chunk: Chunk): Promise<void> {
  const { reader, seen } = state;
  if (seen.has('iCCP') || state.pixels !== 'before') return pass(state, chunk);
  demandProfileSize(chunk.length);
  const profile = await reader.copy(chunk.data, chunk.to - 4);
  const nameEnd = profile.indexOf(0);
  // The name is followed by NUL, and by the number of the only kind of compression.
  if (nameEnd < 1 || nameEnd > 79 || profile[nameEnd + 1] !== 0) return pass(state, chunk);
  let isWhole = false;
  try {
    const packed = profile.subarray(nameEnd + 2);
    const { engine } = await inflated(packed, { maxOutputLength: MAX_PROFILE_BYTES, info: true });
    isWhole = engine.bytesWritten === packed.length;
  } catch (error) {
    if (error instanceof RangeError) demandProfileSize(Infinity);
    return pass(state, chunk);
  }
  demand(isWhole, 'has bytes behind its colour profile');
  seen.add('iCCP');
  return keep(state, chunk);
}

/** Frames of an animation. In a picture that does not say that it is animated, they mean nothing. */
async function readAnimated(state: State, chunk: Chunk): Promise<void> {
  const { type, length, data } = chunk;
  const { reader, size } = state;
  if (type === 'acTL' && state.animation === undefined && state.pixels === 'before') {
    demand(length === 8, 'has a damaged animation');
    state.animation = new Animation(size, (await reader.at(data, 8)).readUInt32BE());
  } else if (type === 'acTL' || state.animation === undefined) return pass(state, chunk);
  else if (type === 'fcTL') {
    demand(length === 26, 'has a damaged frame');
    state.animation.addFrame(await reader.at(data, 26), state.pixels === 'before');
  } else {
    demand(length >= 4, 'has a damaged frame');
    state.animation.addPixels((await reader.at(data, 4)).readUInt32BE());
  }
  return keep(state, chunk);
}
