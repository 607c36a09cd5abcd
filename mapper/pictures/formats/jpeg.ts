import type { ByteReader } from '../byte-reader.ts';
import { demand, demandProfileSize, PieceCount } from '../damage.ts';
import { exifOf, orientationOf, turned, type Orientation } from '../orientation.ts';
import { PartList } from '../parts.ts';
import type { FoundPicture } from '../found-picture.ts';
import { MAX_PIXELS } from '../picture.ts';

/*
 * A JPEG is a chain of segments: FF, a marker, and for most markers a length and a payload. After the header
 * of a scan (SOS) come coded bytes, in which FF is always followed by 00 or by a restart marker. ITU-T T.81,
 * Annex B.
 */

const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const APP0 = 0xe0;
const APP1 = 0xe1;
const APP2 = 0xe2;
const APP14 = 0xee;
const LAST_APP = 0xef;
const COMMENT = 0xfe;
/** Quantization and Huffman tables, the restart interval. */
const TABLES = new Set([0xdb, 0xc4, 0xdd]);
/** Number of lines. */
const DNL = 0xdc;
/** Conditions of arithmetic coding, which no picture that we take has. */
const DAC = 0xcc;

/** Why frames of these kinds are not taken. Browsers show baseline, extended and progressive ones. */
const UNSEEN: Readonly<Record<number, string>> = {
  0xc3: 'is a lossless JPEG, which browsers do not show',
  0xc5: 'is a hierarchical JPEG, which browsers do not show',
  0xc6: 'is a hierarchical JPEG, which browsers do not show',
  0xc7: 'is a hierarchical JPEG, which browsers do not show',
  0xc9: 'has arithmetic coding, which browsers do not show',
  0xca: 'has arithmetic coding, which browsers do not show',
  0xcb: 'is a lossless JPEG, which browsers do not show',
  0xcd: 'is a hierarchical JPEG, which browsers do not show',
  0xce: 'is a hierarchical JPEG, which browsers do not show',
  0xcf: 'is a hierarchical JPEG, which browsers do not show',
  0xde: 'is a hierarchical JPEG, which browsers do not show',
  0xdf: 'is a hierarchical JPEG, which browsers do not show',
};
const FRAMES = new Set([0xc0, 0xc1, 0xc2]);

/** Bytes without FF, behind which one is searched for: a search costs as much as a look at so many. */
const LONG_STRETCH = 32;
/** Each scan goes over the whole picture again. Programs write about ten. */
const MAX_SCANS = 100;
/** Pixels of all scans together. Usual programs write 10 scans, and a picture has up to 100 Mpx. */
const MAX_SCANNED_PIXELS = 1_500_000_000;
/** Marker, length and payload of a JFIF segment without thumbnail, and of an Adobe segment. */
const JFIF_BYTES = 18;
const ADOBE_BYTES = 16;
/** `ICC_PROFILE`, its NUL, and two numbers. */
const ICC_HEAD_BYTES = 14;

export function isJpeg(head: Buffer): boolean {
  return head.length >= 3 && head[0] === 0xff && head[1] === SOI && head[2] === 0xff;
}

/** What the segments say. */
interface State {
  readonly reader: ByteReader;
  readonly parts: PartList;
  size: { width: number; height: number } | undefined;
  orientation: Orientation | undefined;
  scans: number;
  profileBytes: number;
  hasJfif: boolean;
  hasAdobe: boolean;
}

/** Where a segment is: its first FF, and the byte behind it. */
interface Segment {
  readonly marker: number;
  readonly from: number;
  /** The FF right before the marker. Further ones before it fill. */
  readonly head: number;
  readonly to: number;
}

/** @see FormatReader */
export async function readJpeg(reader: ByteReader): Promise<FoundPicture> {
  const state: State = {
    reader,
    parts: new PartList(),
    size: undefined,
    orientation: undefined,
    scans: 0,
    profileBytes: 0,
    hasJfif: false,
    hasAdobe: false,
  };
  const count = new PieceCount();
  state.parts.keep(0, 2);
  for (let position = 2; ;) {
    count.add();
    const segment = await findSegment(reader, position);
    if (segment.marker === EOI) {
      state.parts.keep(segment.from, segment.to);
      return finish(state);
    }
    await readSegment(state, segment);
    position = segment.marker === SOS ? await passScan(state, segment.to) : segment.to;
  }
}

function finish({ size, scans, orientation = 1, parts }: State): FoundPicture {
  demand(size !== undefined && scans > 0, 'has no picture in it');
  const pixels = size.width * size.height;
  demand(pixels > MAX_PIXELS || pixels * scans <= MAX_SCANNED_PIXELS, 'has too many scans for its size');
  return { type: 'jpeg', ...turned(size, orientation), frames: 1, pixels, parts: parts.parts };
}

/** Decoders skip what is between two segments, so it is left out. */
async function findSegment(reader: ByteReader, position: number): Promise<Segment> {
  const { from, head, marker } = await nextMarker(reader, position, isNothing);
  const behind = head + 2;
  if (marker === EOI || marker === SOI) return { marker, from, head, to: behind };
  const length = (await reader.at(behind, 2)).readUInt16BE();
  demand(length >= 2, 'has a segment of an impossible length');
  return { marker, from, head, to: behind + length };
}

/** Finds FF that is followed by a marker. There may be millions that are not meant. */
async function nextMarker(
  reader: ByteReader,
  position: number,
  isSkipped: (marker: number) => boolean,
): Promise<{ from: number; head: number; marker: number }> {
  let from = -1;
  for (let at = position; ;) {
    const bytes = await reader.from(at);
    for (let index = 0, passed = 0; index < bytes.length; index += 1, passed += 1) {
      if (passed >= LONG_STRETCH && from < 0) {
        const next = bytes.indexOf(0xff, index);
        if (next < 0) break;
        [index, passed] = [next, 0];
      }
      const byte = bytes[index] ?? 0;
      if (byte === 0xff) from = from < 0 ? at + index : from;
      else if (from >= 0) {
        if (!isSkipped(byte)) return { from, head: at + index - 1, marker: byte };
        [from, passed] = [-1, 0];
      }
    }
    at += bytes.length;
  }
}

/** Passes over the coded bytes of a scan and keeps them. @returns where the next segment begins */
async function passScan({ reader, parts }: State, start: number): Promise<number> {
  const { from } = await nextMarker(reader, start, isCoded);
  parts.keep(start, from);
  return from;
}

/** A stuffed 00, TEM and a restart mean nothing between segments. */
function isNothing(marker: number): boolean {
  return marker <= 0x01 || isRestart(marker);
}

function isCoded(marker: number): boolean {
  return marker === 0 || isRestart(marker);
}

function isRestart(marker: number): boolean {
  return marker >= 0xd0 && marker <= 0xd7;
}

async function readSegment(state: State, segment: Segment): Promise<void> {
  const { marker, from, head, to } = segment;
  const { parts } = state;
  demand(!(marker in UNSEEN), UNSEEN[marker] ?? '');
  if (FRAMES.has(marker)) await readFrame(state, segment);
  if (marker === SOS) {
    demand(state.size !== undefined, 'has a scan before its frame');
    state.scans += 1;
    demand(state.scans <= MAX_SCANS, `has more than ${MAX_SCANS} scans`);
  }
  if (FRAMES.has(marker) || marker === SOS || TABLES.has(marker) || (marker === DNL && to - head === 6))
    parts.keep(from, to);
  else if (marker === APP0) await readJfif(state, segment);
  else if (marker === APP1) await readExif(state, segment);
  else if (marker === APP2) await readProfile(state, segment);
  else if (marker === APP14) await readAdobe(state, segment);
  else {
    const isKnown = (marker >= APP0 && marker <= LAST_APP) || [COMMENT, DNL, DAC].includes(marker);
    demand(isKnown, 'has a segment of an unknown kind');
  }
}

async function readFrame(state: State, { head, to }: Segment): Promise<void> {
  demand(state.size === undefined, 'has two frames');
  demand(to - head >= 10, 'has a damaged frame header');
  const frame = await state.reader.at(head + 4, 6);
  const components = frame.readUInt8(5);
  demand([1, 3, 4].includes(components), `has ${components} colour components instead of 1, 3 or 4`);
  demand(to - head === 10 + 3 * components, 'has a damaged frame header');
  demand(frame[0] === 8, `has ${frame.readUInt8()} bits per colour, and browsers show only 8`);
  const [height, width] = [frame.readUInt16BE(1), frame.readUInt16BE(3)];
  demand(width > 0 && height > 0, 'has a width or height of 0');
  state.size = { width, height };
}

/** JFIF says the shape of the pixels, and may contain a thumbnail. JFXX is nothing but a thumbnail. */
async function readJfif(state: State, { from, head, to }: Segment): Promise<void> {
  if (state.hasJfif || to - head < JFIF_BYTES || !(await begins(state.reader, head, 'JFIF\0'))) return;
  state.hasJfif = true;
  const jfif = Buffer.from(await state.reader.at(head, JFIF_BYTES));
  if (to - head === JFIF_BYTES && jfif.readUInt16BE(16) === 0) return state.parts.keep(from, to);
  jfif.writeUInt16BE(JFIF_BYTES - 2, 2);
  jfif.writeUInt16BE(0, 16);
  state.parts.put(jfif);
}

/** APP1 is EXIF or XMP. The first EXIF counts, as in browsers. */
async function readExif(state: State, { from, head, to }: Segment): Promise<void> {
  if (state.orientation !== undefined || !(await begins(state.reader, head, 'Exif\0'))) return;
  const found = await state.reader.copy(head, to);
  state.orientation = orientationOf(found.subarray(4));
  if (state.orientation === 1) return;
  const tiff = exifOf(state.orientation);
  const ours = Buffer.concat([Buffer.from([0xff, APP1, 0, tiff.length + 8]), Buffer.from('Exif\0\0'), tiff]);
  if (found.equals(ours)) state.parts.keep(from, to);
  else state.parts.put(ours);
}

async function readProfile(state: State, { from, head, to }: Segment): Promise<void> {
  if (to - head < 4 + ICC_HEAD_BYTES || !(await begins(state.reader, head, 'ICC_PROFILE\0'))) return;
  state.profileBytes += to - head - 4 - ICC_HEAD_BYTES;
  demandProfileSize(state.profileBytes);
  state.parts.keep(from, to);
}

/** Says in which colours the picture is. */
async function readAdobe(state: State, { from, head, to }: Segment): Promise<void> {
  if (state.hasAdobe || to - head < ADOBE_BYTES || !(await begins(state.reader, head, 'Adobe'))) return;
  state.hasAdobe = true;
  if (to - head === ADOBE_BYTES) return state.parts.keep(from, to);
  const adobe = Buffer.from(await state.reader.at(head, ADOBE_BYTES));
  adobe.writeUInt16BE(ADOBE_BYTES - 2, 2);
  state.parts.put(adobe);
}

async function begins(reader: ByteReader, head: number, name: string): Promise<boolean> {
  if (head + 4 + name.length > reader.bytes) return false;
  return (await reader.at(head + 4, name.length)).toString('latin1') === name;
}
