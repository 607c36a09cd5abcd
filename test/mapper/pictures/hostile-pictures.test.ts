import { expect } from 'chai';
import { piecesOf, sizeOf } from '../../../mapper/pictures/parts.ts';
import { isPicture, readPicture } from '../../../mapper/pictures/read-picture.ts';
import type { Picture, PictureFault, PictureSource } from '../../../mapper/pictures/picture.ts';
import { monotonicMs } from '../../../runtime/clock.ts';
import { createRandom } from '../../../runtime/random.ts';
import { IS_LONG } from '../../long.ts';
import {
  animated,
  animatedAvif,
  animatedPng,
  box,
  drawing,
  FORMATS,
  gifExtension,
  plain,
  pngChunk,
  pngChunks,
  revealing,
  riffChunk,
  segment,
  withBlocks,
  withChunks,
  withSegments,
} from './made.ts';
import { timedAtBest } from './longest-turn.ts';
import { read, strip, whyDamaged } from './reading.ts';

const MAX_BYTES = 20 * 2 ** 20;
/** Of a processor. Reading 20 MiB of usual pictures takes 100 ms. */
const MAX_MS = 1_000;
/** Of one turn of the event loop, in ms of processor time: so long may others wait. */
const MAX_TURN_MS = 40;

/** Counts how much is read, and from how much of it at a time. */
class WatchedSource implements PictureSource {
  readonly bytes: number;
  readonly #bytes: Buffer;
  readBytes = 0;
  reads = 0;
  largest = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.bytes = bytes.length;
  }

  read(position: number, length: number): Promise<Buffer> {
    const piece = this.#bytes.subarray(position, position + length);
    this.readBytes += piece.length;
    this.reads += 1;
    this.largest = Math.max(this.largest, piece.length);
    return Promise.resolve(piece);
  }
}

function filled(head: Buffer, piece: Buffer): Buffer {
  return Buffer.concat([head, Buffer.alloc(MAX_BYTES - head.length, piece)]);
}

describe('20 MiB of tiny pieces', function () {
  this.timeout(120_000);

  /** @returns what is found, within bounds of time and of what is read */
  async function readWithin(bytes: Buffer): Promise<Picture | PictureFault> {
    let source = new WatchedSource(bytes);
    const { result, all, longest } = await timedAtBest(async () => {
      source = new WatchedSource(bytes);
      return readPicture(source);
    }, MAX_TURN_MS);
    expect(all, bytes.toString('latin1', 0, 12)).to.be.below(MAX_MS);
    expect(longest, 'the longest turn of the event loop, in ms').to.be.below(MAX_TURN_MS);
    expect(source.largest).to.be.at.most(65_536);
    expect(source.readBytes).to.be.below(4 * bytes.length);
    if (isPicture(result)) expect(result.parts.length).to.be.below(200_000);
    return result;
  }

  it('are refused quickly, or read quickly: chunks, segments, blocks and boxes', async () => {
    const png = await plain('png');
    const jpeg = await plain('jpeg');
    const gif = await plain('gif');
    const webp = await plain('webp');
    const avif = await plain('avif');
    const riff = filled(webp, riffChunk('junk', ''));
    riff.writeUInt32LE(riff.length - 8, 4);
    const tooMany = { kind: 'damaged', why: 'has more than 100,000 pieces' };
    for (const bytes of [
      filled(png.subarray(0, 33), pngChunk('teXt')),
      filled(png.subarray(0, 33), pngChunk('IDAT')),
      filled(jpeg.subarray(0, 2), segment(0xfe, '')),
      filled(jpeg.subarray(0, 2), Buffer.from([0xff, 0xfe, 0, 3, 0])),
      filled(gif.subarray(0, -1), gifExtension(0xfe)),
      filled(gif.subarray(0, -1), Buffer.concat([gifExtension(0xfe), gifExtension(0xf9, 'abcd')])),
      riff,
      filled(avif, box('free')),
    ])
      expect(await readWithin(bytes), bytes.toString('latin1', 0, 12)).to.deep.equal(tooMany);
  });

  it('are read quickly where their number does not count', async () => {
    const jpeg = await plain('jpeg');
    const gif = await plain('gif');
    const begun = Buffer.concat([jpeg.subarray(0, 2), segment(0xfe, '')]);
    for (const bytes of [
      // Fill bytes, stuffed bytes, restarts, garbage, sub-blocks of one byte.
      filled(jpeg.subarray(0, 2), Buffer.from([0xff])),
      filled(jpeg.subarray(0, -2), Buffer.from([0xff, 0])),
      filled(jpeg.subarray(0, -2), Buffer.from([0xff, 0xd0])),
      filled(begun, Buffer.from([0])),
      filled(begun, Buffer.from([0xff, 0])),
      filled(gif.subarray(0, -2), Buffer.from([1, 7])),
    ])
      expect(await readWithin(bytes)).to.deep.equal({ kind: 'damaged', why: 'is cut off in the middle' });
  });

  it('do not fill the structure of an AVIF', async () => {
    const head = box('ftyp', 'avif', Buffer.alloc(4), 'avifmif1');
    const many = Buffer.alloc(5 * 2 ** 20, box('free'));
    const full = (bytes: Buffer): Buffer => Buffer.concat([head, box('meta', Buffer.alloc(4), bytes)]);
    expect(await readWithin(full(many))).to.deep.equal({
      kind: 'damaged',
      why: 'has more than 100,000 pieces',
    });
    expect(await readWithin(full(Buffer.alloc(7 * 2 ** 20)))).to.deep.equal({
      kind: 'damaged',
      why: 'has more than 6 MiB of structure (meta)',
    });
    const items = Buffer.concat([Buffer.alloc(4), Buffer.alloc(2), many.subarray(0, 65_536)]);
    expect(await readWithin(full(box('iinf', items)))).to.include({ kind: 'damaged' });
  });
});

describe('what is hidden or costs too much', () => {
  it('is refused: bytes behind a profile, and many scans of a large JPEG', async () => {
    const png = await drawing().withIccProfile('p3').png().toBuffer();
    const profile = pngChunks(png).find(({ type }) => type === 'iCCP');
    const longer = pngChunk(
      'iCCP',
      Buffer.concat([profile?.data ?? Buffer.alloc(0), Buffer.from('<script>')]),
    );
    const hiding = Buffer.concat([png.subarray(0, profile?.from), longer, png.subarray(profile?.to)]);
    expect(await whyDamaged(hiding)).to.equal('has bytes behind its colour profile');
    const jpeg = await plain('jpeg');
    const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
    jpeg.writeUInt16BE(10_000, frame + 5);
    jpeg.writeUInt16BE(10_000, frame + 7);
    const scan = jpeg.subarray(jpeg.indexOf(Buffer.from([0xff, 0xda])), -2);
    const scanned = (times: number): Buffer =>
      Buffer.concat([
        jpeg.subarray(0, -2),
        ...Array.from({ length: times - 1 }, () => scan),
        jpeg.subarray(-2),
      ]);
    expect(isPicture(await read(scanned(15)))).to.equal(true);
    expect(await whyDamaged(scanned(16))).to.equal('has too many scans for its size');
  });

  it('is copied in few calls: a GIF of 20,000 parts', async () => {
    const gif = await plain('gif');
    const pair = Buffer.concat([gifExtension(0xfe), gifExtension(0xf9, 'abcd')]);
    const bytes = withBlocks(gif, Buffer.alloc(20_000 * pair.length, pair));
    const source = new WatchedSource(bytes);
    const picture = await readPicture(source);
    if (!isPicture(picture)) throw new Error(JSON.stringify(picture));
    expect(picture.parts.length).to.be.above(20_000);
    let before = 0;
    const pieces: Uint8Array[] = [];
    const { longest } = await timedAtBest(async () => {
      before = source.reads;
      pieces.splice(0);
      for await (const piece of piecesOf(source, picture.parts)) pieces.push(piece);
    }, MAX_TURN_MS);
    expect(longest).to.be.below(MAX_TURN_MS);
    expect(source.reads - before).to.be.below(5);
    expect(pieces.length).to.equal(Math.ceil(sizeOf(picture.parts) / (256 * 1024)));
    const whole = Buffer.concat(pieces);
    const expected = picture.parts.map((part) =>
      'bytes' in part ? Buffer.from(part.bytes) : bytes.subarray(part.from, part.to),
    );
    expect(whole.equals(Buffer.concat(expected))).to.equal(true);
  });
});

describe('changed pictures', function () {
  this.timeout(IS_LONG ? 3_600_000 : 300_000);
  const ROUNDS = IS_LONG ? 20_000 : 150;

  async function samples(): Promise<Buffer[]> {
    return [
      ...(await Promise.all(FORMATS.map((format) => revealing(format, 6)))),
      withSegments(await plain('jpeg'), segment(0xfe, 'a comment')),
      withChunks(await animatedPng(), 'IDAT', pngChunk('tEXt', 'a text')),
      withBlocks(await animated('gif'), gifExtension(0xfe, 'a comment')),
      await animated('webp'),
      animatedAvif(),
    ];
  }

  it('are read or refused, and never anything else', async () => {
    const seed = Number(process.env['KEYMILL_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
    const random = createRandom(seed);
    const below = (bound: number): number => Math.floor(random() * bound);
    const all = await samples();
    const changes: ((bytes: Buffer) => Buffer)[] = [
      // Bits.
      (bytes) => {
        for (let flips = 1 + below(4); flips > 0; flips -= 1) {
          const at = below(bytes.length);
          bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
        }
        return bytes;
      },
      // Numbers: nothing, and as much as possible.
      (bytes) => {
        const ends = [below(bytes.length), below(bytes.length)];
        return bytes.fill(below(2) * 255, Math.min(...ends), Math.max(...ends));
      },
      (bytes) => {
        const at = below(bytes.length);
        return bytes.fill(below(2) * 255, at, Math.min(bytes.length, at + 1 + below(8)));
      },
      // Pieces that are missing, twice there, or of another picture.
      (bytes) => Buffer.concat([bytes.subarray(0, below(bytes.length)), bytes.subarray(below(bytes.length))]),
      (bytes) => {
        const other = all[below(all.length)] ?? bytes;
        const at = below(bytes.length);
        const [from, to] = [below(other.length), below(other.length)];
        return Buffer.concat([bytes.subarray(0, at), other.subarray(from, to), bytes.subarray(at)]);
      },
    ];
    const counts = { taken: 0, refused: 0 };
    for (const [sample, original] of all.entries())
      for (let round = 0; round < ROUNDS; round += 1) {
        const change = changes[below(changes.length)] ?? changes[0];
        const changed = change?.(Buffer.from(original)) ?? original;
        const startedMs = monotonicMs();
        const story = `seed ${seed}, sample ${sample}, round ${round}`;
        const result = await readPicture(new WatchedSource(changed)).catch((error: unknown) => {
          throw new Error(story, { cause: error });
        });
        expect(monotonicMs() - startedMs, story).to.be.below(1_000);
        if (isPicture(result)) {
          counts.taken += 1;
          await strip(changed, story);
        } else counts.refused += 1;
      }
    process.stdout.write(`      seed ${seed}: ${JSON.stringify(counts)}\n`);
    expect(Math.min(counts.taken, counts.refused)).to.be.greaterThan(100);
  });
});
