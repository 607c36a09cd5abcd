import type { Box } from '../avif/boxes.ts';
import { readItems, type Items } from '../avif/items.ts';
import { Overwrites } from '../avif/overwrites.ts';
import { merged, unneeded, type Range } from '../avif/ranges.ts';
import { codedSizes } from '../avif/sequence.ts';
import { readTracks, type Tracks } from '../avif/tracks.ts';
import type { ByteReader } from '../byte-reader.ts';
import { CUT_OFF, demand, PieceCount } from '../damage.ts';
import type { FoundPicture } from '../found-picture.ts';
import { MAX_PIXELS } from '../picture.ts';

/*
 * An AVIF is a file of boxes: `ftyp`, `meta` with the items of a still picture, `moov` with the tracks of an
 * animation, and `mdat` with their bytes, to which they refer by position. So metadata are overwritten in
 * their place: nothing moves. Turning is said by a property (irot), and EXIF is not asked. AV1 Image File
 * Format.
 */

const TWO_SIZES = 'says two different sizes';
const BRANDS = ['avif', 'avis'];
const MAX_BRANDS_BYTES = 256;
/** A colour profile of 4 MiB, and what else is in there. It is read into memory. */
const MAX_STRUCTURE_BYTES = 6 * 2 ** 20;

export function isAvif(head: Buffer): boolean {
  if (head.length < 16 || head.toString('latin1', 4, 8) !== 'ftyp') return false;
  const brands = head.toString('latin1', 8, Math.min(head.readUInt32BE(), head.length));
  const compatible = brands.slice(8).match(/.{4}/gs) ?? [];
  return [brands.slice(0, 4), ...compatible].some((brand) => BRANDS.includes(brand));
}

/** @see FormatReader */
export async function readAvif(reader: ByteReader): Promise<FoundPicture> {
  const count = new PieceCount();
  const over = new Overwrites();
  let items: Items | undefined;
  let tracks: Tracks | undefined;
  const data: Range[] = [];
  let end = 0;
  for await (const box of boxesOf(reader, count)) {
    if (box.type === 'ftyp')
      demand(box.from === 0 && box.to <= MAX_BRANDS_BYTES, 'has a damaged header (ftyp)');
    else if (box.type === 'mdat') data.push({ from: box.body, to: box.to });
    else if (box.type === 'meta' || box.type === 'moov') {
      demand((box.type === 'meta' ? items : tracks) === undefined, `has two boxes ${box.type}`);
      demand(box.to - box.from <= MAX_STRUCTURE_BYTES, `has more than 6 MiB of structure (${box.type})`);
      const bytes = await reader.copy(box.from, box.to);
      const whole = { ...box, from: 0, body: box.body - box.from, to: bytes.length };
      if (box.type === 'meta') items = readItems(bytes, whole, box.from, over, count);
      else tracks = readTracks(bytes, whole, box.from, over, count);
    } else {
      over.free(box);
      continue;
    }
    end = box.to;
  }
  const needed = merged([...(items?.needed ?? []), ...(tracks?.needed ?? [])]);
  demand((needed.at(-1)?.to ?? 0) <= reader.bytes, CUT_OFF);
  for (const { from, to } of unneeded(data, needed)) over.zero(from, to);
  await checkCoded(reader, items, tracks);
  return { ...found(items, tracks), parts: await over.apply(reader, end) };
}

/** A decoder takes memory for what the pixels themselves say. @throws DamagedPicture */
async function checkCoded(
  reader: ByteReader,
  items: Items | undefined,
  tracks: Tracks | undefined,
): Promise<void> {
  const count = new PieceCount();
  for (const { size, isLayered, extents } of items?.coded ?? [])
    for (const coded of await codedSizes(reader, extents, count)) {
      demand(size !== undefined, 'does not say its size');
      const isSame = coded.width === size.width && coded.height === size.height;
      // The largest layer may be larger than the one that is shown.
      demand(isSame || (isLayered && coded.width * coded.height <= MAX_PIXELS), TWO_SIZES);
    }
  for (const { width, height, needed } of tracks?.tracks ?? [])
    for (const coded of await codedSizes(reader, needed, count))
      demand(coded.width <= width && coded.height <= height, TWO_SIZES);
}

async function* boxesOf(reader: ByteReader, count: PieceCount): AsyncGenerator<Box> {
  for (let position = 0; position < reader.bytes;) {
    count.add();
    const head = await reader.at(position, Math.min(16, reader.bytes - position));
    demand(head.length >= 8, CUT_OFF);
    const short = head.readUInt32BE();
    demand(short !== 1 || head.length >= 16, CUT_OFF);
    const length =
      short === 1 ? Number(head.readBigUInt64BE(8)) : short === 0 ? reader.bytes - position : short;
    const body = position + (short === 1 ? 16 : 8);
    const box: Box = { type: head.toString('latin1', 4, 8), from: position, body, to: position + length };
    demand(box.to >= body, 'has a damaged structure');
    demand(box.to <= reader.bytes, CUT_OFF);
    yield box;
    position = box.to;
  }
}

function found(items: Items | undefined, tracks: Tracks | undefined): Omit<FoundPicture, 'parts'> {
  const size = items?.size ?? tracks;
  demand(size !== undefined, 'has no picture in it');
  const frames = tracks?.frames ?? 1;
  const ofTracks = tracks === undefined ? 0 : tracks.width * tracks.height;
  const pixels = Math.max(size.width * size.height * frames, items?.pixels ?? 0, ofTracks * frames);
  return { type: 'avif', width: size.width, height: size.height, frames, pixels };
}
