import { demand, type PieceCount } from '../damage.ts';
import { boxesIn, Fields, moved, type Box } from './boxes.ts';
import type { Overwrites } from './overwrites.ts';
import type { Range } from './ranges.ts';

/** What the box `moov` says about an animation. */
export interface Tracks {
  readonly frames: number;
  readonly width: number;
  readonly height: number;
  /** The bytes of the file in which its frames are. */
  readonly needed: readonly Range[];
  /** Of its frames, and of their transparency. */
  readonly tracks: readonly Track[];
}

/** Which boxes are kept in which. Of all others (user data, metadata), nothing is left. */
const KEPT: Readonly<Record<string, readonly string[]>> = {
  moov: ['mvhd', 'trak'],
  trak: ['tkhd', 'tref', 'edts', 'mdia'],
  mdia: ['mdhd', 'hdlr', 'minf'],
  minf: ['vmhd', 'nmhd', 'dinf', 'stbl'],
  stbl: ['stsd', 'stts', 'stss', 'stsc', 'stsz', 'stco', 'co64', 'ctts'],
};
const DATED = ['mvhd', 'tkhd', 'mdhd'];
/** Pictures, and the transparency of pictures. */
const HANDLERS = ['pict', 'auxv'];

/**
 * Reads `moov`, and overwrites what is no picture in it: ISO/IEC 14496-12, 8.2 to 8.7.
 * @throws DamagedPicture
 */
export function readTracks(
  bytes: Buffer,
  moov: Box,
  base: number,
  over: Overwrites,
  count: PieceCount,
): Tracks {
  const tracks: Track[] = [];
  let shown: Pick<Tracks, 'frames' | 'width' | 'height'> | undefined;
  for (const box of boxesIn(bytes, moov, count)) {
    const track = box.type === 'trak' ? readTrack(bytes, box, count) : undefined;
    if (box.type === 'trak' && track === undefined) over.free(moved(box, base));
    else clean(bytes, box, 'moov', base, over, count);
    if (track === undefined) continue;
    tracks.push(track);
    if (track.handler === 'pict') {
      demand(shown === undefined, 'has two animations');
      shown = { frames: track.needed.length, width: track.width, height: track.height };
    }
  }
  demand(shown !== undefined, 'has no picture in it');
  return { ...shown, needed: tracks.flatMap((track) => track.needed), tracks };
}

function clean(
  bytes: Buffer,
  box: Box,
  parent: string,
  base: number,
  over: Overwrites,
  count: PieceCount,
): void {
  if (KEPT[parent]?.includes(box.type) !== true) return over.free(moved(box, base));
  if (box.type === 'hdlr') over.zero(base + Math.min(box.body + 24, box.to), base + box.to);
  if (box.type === 'stsd') cleanEntries(bytes, box, base, over, count);
  // Where the data are, if not in this file, and other names.
  if (box.type === 'dinf') {
    for (const child of boxesIn(bytes, box, count))
      if (child.type !== 'dref') over.free(moved(child, base));
      else
        for (const entry of boxesIn(bytes, { body: child.body + 8, to: child.to }, count))
          over.zero(base + Math.min(entry.body + 4, entry.to), base + entry.to);
  }
  if (DATED.includes(box.type)) {
    // When it was made and changed.
    const bytesOfTimes = new Fields(bytes, box).version().version === 0 ? 8 : 16;
    over.zero(base + box.body + 4, base + Math.min(box.body + 4 + bytesOfTimes, box.to));
  }
  if (box.type in KEPT)
    for (const child of boxesIn(bytes, box, count)) clean(bytes, child, box.type, base, over, count);
}

/** Boxes of a sample entry that say how the frames look. */
const KEPT_OF_ENTRY = ['av1C', 'colr', 'pasp', 'clap', 'clli', 'mdcv', 'ccst', 'auxi', 'btrt'];
/** Of a sample entry, before its boxes: its last part but 4 bytes is the name of the program. */
const ENTRY_BYTES = 78;
const NAME_BYTES = 32;

function cleanEntries(bytes: Buffer, stsd: Box, base: number, over: Overwrites, count: PieceCount): void {
  for (const entry of boxesIn(bytes, { body: stsd.body + 8, to: stsd.to }, count)) {
    const children = entry.body + ENTRY_BYTES;
    demand(entry.type === 'av01' && children <= entry.to, 'is not coded as AV1');
    over.zero(base + children - NAME_BYTES - 4, base + children - 4);
    for (const child of boxesIn(bytes, { body: children, to: entry.to }, count))
      if (!KEPT_OF_ENTRY.includes(child.type)) over.free(moved(child, base));
  }
}

interface Track extends Pick<Tracks, 'width' | 'height' | 'needed'> {
  readonly handler: string;
}

/** @returns undefined: it has no pictures */
function readTrack(bytes: Buffer, trak: Box, count: PieceCount): Track | undefined {
  const find = (parent: Box | undefined, type: string): Box | undefined =>
    parent && boxesIn(bytes, parent, count).find((box) => box.type === type);
  const media = find(trak, 'mdia');
  const hdlr = find(media, 'hdlr');
  if (hdlr === undefined) return undefined;
  const handling = new Fields(bytes, hdlr);
  handling.skip(8);
  const handler = handling.type();
  if (!HANDLERS.includes(handler)) return undefined;
  const table = find(find(media, 'minf'), 'stbl');
  demand(table !== undefined, 'has a damaged animation');
  const get = (...types: string[]): Box => {
    const box = types.map((type) => find(table, type)).find((found) => found !== undefined);
    demand(box !== undefined, 'has a damaged animation');
    return box;
  };
  const sizes = sampleSizes(new Fields(bytes, get('stsz')), count);
  const chunks = get('co64', 'stco');
  const offsets = chunkOffsets(new Fields(bytes, chunks), chunks.type === 'co64' ? 8 : 4, count);
  const perChunk = samplesPerChunk(new Fields(bytes, get('stsc')), count);
  return { handler, ...sizeOfEntry(bytes, get('stsd')), needed: samplesAt(sizes, offsets, perChunk) };
}

function sampleSizes(fields: Fields, count: PieceCount): number[] {
  fields.version();
  const same = fields.uint(4);
  const samples = fields.uint(4);
  count.add(samples);
  return Array.from({ length: samples }, () => (same === 0 ? fields.uint(4) : same));
}

function chunkOffsets(fields: Fields, size: number, count: PieceCount): number[] {
  fields.version();
  const chunks = fields.uint(4);
  count.add(chunks);
  return Array.from({ length: chunks }, () => fields.uint(size));
}

interface Run {
  readonly firstChunk: number;
  readonly samples: number;
}

function samplesPerChunk(fields: Fields, count: PieceCount): Run[] {
  fields.version();
  const runs = fields.uint(4);
  count.add(runs);
  return Array.from({ length: runs }, () => {
    const run = { firstChunk: fields.uint(4), samples: fields.uint(4) };
    fields.skip(4);
    return run;
  });
}

function samplesAt(sizes: readonly number[], offsets: readonly number[], runs: readonly Run[]): Range[] {
  const ranges: Range[] = [];
  let run = -1;
  for (const [chunk, offset] of offsets.entries()) {
    if (runs[run + 1]?.firstChunk === chunk + 1) run += 1;
    let from = offset;
    for (let left = runs[run]?.samples ?? 0; left > 0 && ranges.length < sizes.length; left -= 1) {
      const to = from + (sizes[ranges.length] ?? 0);
      ranges.push({ from, to });
      from = to;
    }
  }
  demand(ranges.length === sizes.length, 'has a damaged animation');
  return ranges;
}

/** The first sample entry says the size of all frames. */
function sizeOfEntry(bytes: Buffer, stsd: Box): { width: number; height: number } {
  const fields = new Fields(bytes, stsd);
  fields.skip(8);
  const entryBytes = fields.uint(4);
  demand(entryBytes >= 86 && fields.type() === 'av01', 'is not coded as AV1');
  fields.skip(24);
  return { width: fields.uint(2), height: fields.uint(2) };
}
