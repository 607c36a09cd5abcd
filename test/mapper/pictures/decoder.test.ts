import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import sharp from 'sharp';
import { Problem } from '../../../mapper/http/problem.ts';
import { DecoderProcess, type DecoderLimits } from '../../../mapper/pictures/decoder-process.ts';
import { THUMBNAIL_MAKER, type FoundFacts } from '../../../mapper/pictures/decoder.ts';
import type { PictureFault } from '../../../mapper/pictures/picture.ts';
import { isPicture } from '../../../mapper/pictures/read-picture.ts';
import { createLog } from '../../../runtime/log.ts';
import { testFolder } from '../../servers.ts';
import { until } from '../../until.ts';
import {
  animated,
  animatedAvif,
  animatedPng,
  drawing,
  FORMATS,
  plain,
  pngChunk,
  pngChunks,
  revealing,
  riffChunk,
  uint32,
  withRiffChunks,
} from './made.ts';
import { timedAtBest } from './longest-turn.ts';
import { read } from './reading.ts';

const log = createLog('test', 'decoder', 'silent');
const FACTS: FoundFacts = { type: 'png', width: 1, height: 1, frames: 1 };
const STUB = new URL('fixtures/stub-decoder.ts', import.meta.url);
const SCHEDULING = fileURLToPath(new URL('fixtures/scheduling.ts', import.meta.url));
const SCHED_IDLE = 5;
/** In ns. */
const SHORTEST_SLICE = 100_000;
const CANNOT = { kind: 'damaged', why: 'cannot be decoded' };

let folder = '';
let files = 0;

function stored(bytes: Buffer): string {
  const file = join(folder, String((files += 1)));
  writeFileSync(file, bytes);
  return file;
}

async function factsOf(bytes: Buffer): Promise<FoundFacts> {
  const picture = await read(bytes);
  if (!isPicture(picture)) throw new Error(JSON.stringify(picture));
  return picture;
}

/** Process ids of our children that are named like this, zombies too. */
function children(name: string): number[] {
  const all = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8')
    .split(' ')
    .filter(Boolean)
    .map(Number);
  return all.filter((pid) => {
    try {
      return (
        /^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8')) ||
        readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(name)
      );
    } catch {
      return false;
    }
  });
}

/** Undefined: it has ended. */
function sessionOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]);
  } catch {
    return undefined;
  }
}

/** Of each of its threads. Slices are 0 where the kernel has none. */
function schedulingOf(pid: number): { policy: number; slice: number }[] {
  const args = ['--disable-warning=ExperimentalWarning', SCHEDULING, String(pid)];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as ReturnType<
    typeof schedulingOf
  >;
}

async function refusal(answer: Promise<unknown>): Promise<unknown[]> {
  const problem = await answer.catch((error: unknown) => error);
  if (!(problem instanceof Problem)) throw new Error(`no refusal: ${JSON.stringify(problem)}`);
  return [problem.status, problem.code, problem.headers?.['Retry-After']];
}

/** Of one turn of the event loop, in ms of processor time. */
const MAX_TURN_MS = 40;

const REFUSED = [503, 'overloaded', '2'];

/** These tests run on busy machines. */
const PATIENT: Partial<DecoderLimits> = { waitMs: 60_000, answerMs: 60_000 };

before(() => {
  folder = mkdtempSync(join(testFolder(), 'decoder-'));
});

describe('the decoder', function () {
  this.timeout(180_000);
  const decoder = new DecoderProcess(log, PATIENT);
  after(async () => {
    decoder.close();
    await until('no child', () => children('decoder').length === 0);
  });

  async function faultIn(bytes: Buffer): Promise<PictureFault | undefined> {
    const found = await read(bytes);
    return isPicture(found) ? decoder.check(stored(bytes), found) : found;
  }

  it('takes whole pictures of every format', async () => {
    const pictures = [
      ...(await Promise.all(FORMATS.flatMap((format) => [plain(format), revealing(format, 6)]))),
      await drawing().jpeg({ progressive: true }).toBuffer(),
      await drawing().png({ progressive: true, palette: true }).toBuffer(),
      await drawing().toColourspace('rgb16').png().toBuffer(),
      await drawing().webp({ lossless: true }).toBuffer(),
      await drawing().toColourspace('cmyk').jpeg().toBuffer(),
      await drawing(1, 1).png().toBuffer(),
      await animated('gif'),
      await animated('webp'),
      await animatedPng(),
      animatedAvif(),
    ];
    for (const picture of pictures) {
      const facts = await factsOf(picture);
      expect(await decoder.check(stored(picture), facts), facts.type).to.equal(undefined);
    }
  });

  it('finds pixels that cannot be decoded, behind a structure that is right', async () => {
    const png = await plain('png');
    const [pixels] = pngChunks(png).filter(({ type }) => type === 'IDAT');
    const broken = Buffer.from(pixels?.data ?? []);
    broken.fill(0x55, 20, 40);
    const remade = (...data: Buffer[]): Buffer =>
      Buffer.concat([png.subarray(0, pixels?.from), ...data, pngChunk('IEND')]);
    const half = Buffer.from(pixels?.data.subarray(0, 100) ?? []);
    for (const bad of [
      remade(pngChunk('IDAT', broken)),
      remade(pngChunk('IDAT', half)),
      remade(pngChunk('IDAT')),
    ])
      expect(await decoder.check(stored(bad), await factsOf(bad))).to.include({ kind: 'damaged' });

    const apng = await animatedPng(3);
    const at = apng.lastIndexOf('fdAT');
    const frame = Buffer.from(apng.subarray(at + 8, at + 4 + apng.readUInt32BE(at - 4)));
    frame.fill(0x55, 10, 30);
    const badFrame = Buffer.concat([
      apng.subarray(0, at - 4),
      pngChunk('fdAT', Buffer.concat([uint32(4), frame])),
      pngChunk('IEND'),
    ]);
    expect(await decoder.check(stored(badFrame), await factsOf(badFrame))).to.include({ kind: 'damaged' });

    for (const format of ['jpeg', 'gif', 'avif'] as const) {
      const picture = await plain(format, 300, 200);
      // All of its second half but the last 20 bytes.
      picture.fill(0, Math.floor(picture.length / 2), picture.length - 20);
      expect(await faultIn(picture), format).to.include({ kind: 'damaged' });
    }
    const jpeg = await plain('jpeg', 300, 200);
    const missing = Buffer.concat([jpeg.subarray(0, Math.floor(jpeg.length / 2)), jpeg.subarray(-2)]);
    expect(await faultIn(missing)).to.deep.equal({ kind: 'damaged', why: 'is cut off in the middle' });
    const webp = await plain('webp', 300, 200);
    const short = riffChunk('VP8 ', webp.subarray(20, Math.floor(webp.length / 2)));
    expect(await faultIn(withRiffChunks(webp.subarray(0, 12), short))).to.include({ kind: 'damaged' });
  });

  it('finds a picture that is decoded to something else than was read', async () => {
    const gif = await animated('gif');
    const facts = await factsOf(gif);
    const file = stored(gif);
    expect(await decoder.check(file, { ...facts, frames: 4 })).to.deep.equal({
      kind: 'damaged',
      why: 'has 5 frames instead of 4',
    });
    expect(await decoder.check(file, { ...facts, width: 49 })).to.deep.equal({
      kind: 'damaged',
      why: 'is 48 × 32 pixels large instead of 49 × 32',
    });
  });

  it('reads no other format, whatever it is said to be', async () => {
    const tiff = await drawing().tiff().toBuffer();
    const svg = Buffer.from(
      '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><rect width="1" height="1"/></svg>',
    );
    const pdf = Buffer.from('%PDF-1.7\n%%EOF');
    const raw = Buffer.alloc(3);
    for (const bytes of [tiff, svg, pdf, raw, Buffer.alloc(0)])
      expect(await decoder.check(stored(bytes), FACTS)).to.deep.equal(CANNOT);
    await sharp(svg).png().toBuffer();
    expect(await decoder.check(join(folder, 'missing'), FACTS)).to.deep.equal(CANNOT);
  });

  it('makes thumbnails: upright, not enlarged, the first frame, without metadata', async () => {
    const wide = await drawing(800, 400)
      .withMetadata({ orientation: 6 })
      .withExif({ IFD0: { Artist: 'secret' } })
      .jpeg()
      .toBuffer();
    const thumbnail = await decoder.thumbnail(wide, 320);
    const { format, width, height, exif, xmp, icc, pages } = await sharp(thumbnail).metadata();
    expect({ format, width, height }).to.deep.equal({ format: 'webp', width: 160, height: 320 });
    expect([exif, xmp, icc, pages]).to.deep.equal([undefined, undefined, undefined, undefined]);
    for (const small of [
      await plain('png'),
      await animated('gif'),
      await animated('webp'),
      await animatedPng(),
      animatedAvif(),
    ]) {
      const found = await factsOf(small);
      const made = await sharp(await decoder.thumbnail(small, 160)).metadata();
      expect([made.width, made.height, made.pages]).to.deep.equal([found.width, found.height, undefined]);
    }
  });

  it('keeps colours and transparency in thumbnails', async () => {
    // The reddest red of Display P3 is beyond sRGB. As bytes it is 255, 0, 0, and half of it is not.
    const half = { r: 200, g: 100, b: 50 };
    const p3 = await sharp({ create: { width: 64, height: 64, channels: 3, background: half } })
      .withIccProfile('p3')
      .png()
      .toBuffer();
    const expected = await sharp(p3).raw().toBuffer();
    const seen = await sharp(await decoder.thumbnail(p3, 160))
      .raw()
      .toBuffer();
    for (const channel of [0, 1, 2]) expect(seen[channel]).to.be.closeTo(expected[channel] ?? -99, 6);
    const clear = await sharp({
      create: { width: 64, height: 64, channels: 4, background: { ...half, alpha: 0.5 } },
    })
      .png()
      .toBuffer();
    const pixels = await sharp(await decoder.thumbnail(clear, 160))
      .raw()
      .toBuffer();
    expect(pixels[3]).to.be.closeTo(128, 2);
  });

  it('says which program makes thumbnails', () => {
    expect(sharp.versions.vips).to.equal(THUMBNAIL_MAKER);
  });

  it('makes no thumbnail of what is no picture', async () => {
    const error = await decoder.thumbnail(Buffer.from('<svg/>'), 160).catch((caught: unknown) => caught);
    expect(String(error)).to.equal(
      'UndecodableError: no thumbnail of 160 pixels: the picture cannot be decoded',
    );
  });

  it('makes thumbnails of the largest pictures, and holds nobody up to send them', async () => {
    const side = 2_500;
    const noise = randomBytes(side * side * 3);
    const large = await sharp(noise, { raw: { width: side, height: side, channels: 3 } })
      .png({ compressionLevel: 0 })
      .toBuffer();
    expect(large.length).to.be.within(17 * 2 ** 20, 20 * 2 ** 20);
    const { result, longest } = await timedAtBest(async () => decoder.thumbnail(large, 160), MAX_TURN_MS);
    const { width, height } = await sharp(result).metadata();
    expect([width, height]).to.deep.equal([160, 160]);
    expect(longest).to.be.below(MAX_TURN_MS);
  });

  it('takes a JPEG with bytes behind its last pixel, as cameras write them', async () => {
    const padding = Buffer.alloc(40, 0x41);
    const jpeg = await plain('jpeg', 300, 200);
    const progressive = await drawing(300, 200).jpeg({ progressive: true }).toBuffer();
    for (const [picture, at] of [
      [jpeg, jpeg.length - 2],
      // Behind one of its scans.
      [progressive, progressive.lastIndexOf(Buffer.from([0xff, 0xc4]))],
    ] as const)
      expect(await faultIn(Buffer.concat([picture.subarray(0, at), padding, picture.subarray(at)]))).to.equal(
        undefined,
      );
  });
});

describe("the decoder's process", function () {
  this.timeout(120_000);
  const opened: DecoderProcess[] = [];
  const open = (limits: Partial<DecoderLimits>, main?: URL): DecoderProcess => {
    const decoder = new DecoderProcess(log, limits, main);
    opened.push(decoder);
    return decoder;
  };
  afterEach(async () => {
    for (const decoder of opened.splice(0)) decoder.close();
    await until('no child', () => children('decoder').length === 0);
  });

  it('starts with the first picture, and ends when there are no more', async () => {
    const decoder = open({ ...PATIENT, restMs: 300 });
    expect(children('decoder')).to.deep.equal([]);
    const png = await plain('png');
    const [file, facts] = [stored(png), await factsOf(png)];
    for (let round = 0; round < 2; round += 1) {
      expect(await decoder.check(file, facts)).to.equal(undefined);
      await until('the child to be gone', () => children('decoder').length === 0);
    }
  });

  it('comes after all sessions while the machine has idle time, and then after ours', async () => {
    const png = await plain('png');
    const idle = open({ ...PATIENT, idleMs: 60_000 });
    expect(await idle.check(stored(png), await factsOf(png))).to.equal(undefined);
    const [child = 0] = children('decoder-main');
    expect(sessionOf(child)).to.equal(child);
    // Others may have changed a session just now, and only root may do so again immediately.
    if (process.getuid?.() === 0 && existsSync('/proc/self/autogroup'))
      expect(readFileSync(`/proc/${child}/autogroup`, 'utf8')).to.match(/ nice 19$/m);
    const hurried = open({ ...PATIENT, idleMs: 1 }, STUB);
    const hanging = hurried.check('hang', FACTS).catch(() => undefined);
    await until('a child in our session', () => {
      const [pid] = children('stub-decoder');
      return pid !== undefined && sessionOf(pid) === sessionOf(process.pid);
    });
    hurried.close();
    await hanging;
  });

  it('finds a wrong checksum of pixels, also behind the last one and in later frames', async () => {
    const decoder = open(PATIENT);
    const checksum = { kind: 'damaged', why: 'has a chunk with a wrong checksum' };
    for (const [png, type] of [
      [await plain('png'), 'IDAT'],
      [await animatedPng(), 'fdAT'],
    ] as const) {
      const end = pngChunks(png).findLast((chunk) => chunk.type === type)?.to ?? 0;
      for (const at of [end - 6, end - 4]) {
        const broken = Buffer.from(png);
        broken[at] = (broken[at] ?? 0) ^ 1;
        expect(await decoder.check(stored(broken), await factsOf(broken)), `${type} ${at}`).to.deep.equal(
          checksum,
        );
      }
      expect(await decoder.check(stored(png), await factsOf(png))).to.equal(undefined);
    }
  });

  it('works in idle threads with the shortest slices, also in those that begin with a picture', async () => {
    const decoder = open({ ...PATIENT, idleMs: 60_000 });
    const png = await plain('png');
    expect(await decoder.check(stored(png), await factsOf(png))).to.equal(undefined);
    const [child = 0] = children('decoder-main');
    const threads = schedulingOf(child);
    expect(threads.map(({ policy }) => policy)).to.deep.equal(threads.map(() => SCHED_IDLE));
    const hasSlices = schedulingOf(process.pid).every(({ slice }) => slice > 0);
    for (const { slice } of threads) expect(slice).to.equal(hasSlices ? SHORTEST_SLICE : 0);
  });

  it('may die: who waits for it is told, and the next one gets another', async () => {
    const decoder = open(PATIENT, STUB);
    // It dies over the picture: that will not be better later.
    expect(await decoder.check('die', FACTS)).to.deep.equal(CANNOT);
    expect(await decoder.check('crash', FACTS)).to.deep.equal(CANNOT);
    const hanging = refusal(decoder.check('hang', FACTS));
    const [pid] = await until(
      'the child',
      () => children('stub-decoder').length === 1 && children('stub-decoder'),
    );
    process.kill(pid ?? 0, 'SIGKILL');
    expect(await hanging).to.deep.equal(REFUSED);
    const next = await decoder.check('file', FACTS);
    expect(next).to.include({ kind: 'damaged' });
    expect(next).not.to.deep.equal({ kind: 'damaged', why: `is file of ${pid}` });
  });

  it('is killed when it takes too long, also when it hears nothing', async () => {
    const decoder = open({ waitMs: 60_000, idleMs: 500, answerMs: 500 }, STUB);
    // Who has got no time of the machine may ask again.
    expect(await refusal(decoder.check('hang', FACTS))).to.deep.equal(REFUSED);
    const spinning = decoder.check('spin', FACTS).catch(() => undefined);
    const waiting = decoder.check('file', FACTS);
    await spinning;
    // Starting takes long where others work. It may not count as hanging.
    await waiting.catch(() => undefined);
    await until(
      'the next picture',
      async () => (await decoder.check('file', FACTS).catch(() => undefined)) !== undefined,
    );
  });

  it('is not killed for an answer that came while the event loop was blocked', async () => {
    for (const idleMs of [60_000, 1_000]) {
      const decoder = open({ waitMs: 60_000, idleMs, answerMs: 1_000 }, STUB);
      const first = await until('a child that has started', async () =>
        decoder.check('file', FACTS).catch(() => undefined),
      );
      const answer = decoder.check('file', FACTS);
      // The task goes out now, and its answer waits in the pipe.
      await turn();
      const untilMs = performance.now() + 1_500;
      while (performance.now() < untilMs);
      expect(await answer).to.deep.equal(first);
    }
  });

  it('calls a picture damaged that has used up its time', async () => {
    // Where others work, the child has the least of all processor time.
    const decoder = open({ waitMs: 60_000, idleMs: 200, answerMs: 2_000, usedShare: 0.02 }, STUB);
    // It is refused instead while the machine has no time for it.
    const fault = await until('the picture to be too slow', async () =>
      decoder.check('spin', FACTS).catch(() => undefined),
    );
    expect(fault).to.deep.equal({ kind: 'damaged', why: 'takes too long to be decoded' });
  });

  it('lets owners take turns, and refuses those of whom many wait', async () => {
    const decoder = open({ ...PATIENT, idleMs: 60_000 }, STUB);
    const order: string[] = [];
    const check = async (owner: string | undefined): Promise<void> => {
      await decoder.check('file', FACTS, owner);
      order.push(String(owner));
    };
    const greedy = Array.from({ length: 5 }, async () => check('greedy'));
    const all = [...greedy, check('other'), check(undefined), check('other')];
    expect(await refusal(decoder.check('file', FACTS, 'greedy'))).to.deep.equal(REFUSED);
    await Promise.all(all);
    expect(order.slice(0, 3)).to.deep.equal(['greedy', 'other', 'undefined']);
    expect(order.slice(3, 5)).to.have.members(['greedy', 'other']);
    expect(order).to.have.length(8);
  });

  it('ends itself when it needs too much memory', async () => {
    const decoder = open({ ...PATIENT, idleMs: 60_000, maxMemoryBytes: 160 * 2 ** 20 });
    // An interlaced PNG is in memory as a whole: 180 MB.
    const large = await sharp({ create: { width: 10_000, height: 6_000, channels: 3, background: '#123' } })
      .png({ progressive: true, compressionLevel: 1 })
      .toBuffer();
    expect(await decoder.check(stored(large), await factsOf(large))).to.deep.equal({
      kind: 'damaged',
      why: 'needs too much memory to be decoded',
    });
    const small = await plain('png');
    expect(await decoder.check(stored(small), await factsOf(small))).to.equal(undefined);
  });

  it('refuses further pictures when too many wait, and those that wait too long', async () => {
    const decoder = open({ waitMs: 700, answerMs: 60_000, idleMs: 60_000 }, STUB);
    const first = refusal(decoder.check('hang', FACTS));
    const waiting = Array.from({ length: 16 }, () => refusal(decoder.check('hang', FACTS)));
    expect(await refusal(decoder.check('hang', FACTS))).to.deep.equal(REFUSED);
    // Thumbnails have a queue of their own.
    const thumbnails = Array.from({ length: 8 }, () => refusal(decoder.thumbnail(Buffer.alloc(1), 160)));
    expect(await refusal(decoder.thumbnail(Buffer.alloc(1), 160))).to.deep.equal(REFUSED);
    for (const refused of await Promise.all([...waiting, ...thumbnails]))
      expect(refused).to.deep.equal(REFUSED);
    decoder.close();
    expect(await first).to.deep.equal([503, 'overloaded', '2']);
    expect(await refusal(decoder.check('file', FACTS))).to.deep.equal(REFUSED);
  });

  it('lets pictures and thumbnails take turns', async () => {
    const decoder = open({ ...PATIENT, idleMs: 60_000 }, STUB);
    const order: string[] = [];
    const noted = async (name: string, task: Promise<unknown>): Promise<void> => {
      await task.catch(() => undefined);
      order.push(name);
    };
    await Promise.all([
      ...Array.from({ length: 6 }, (_, index) => noted(`check ${index}`, decoder.check('file', FACTS))),
      noted('thumbnail', decoder.thumbnail(Buffer.alloc(1), 160)),
    ]);
    expect(order.indexOf('thumbnail')).to.equal(1);
  });

  it('keeps no process alive', async () => {
    const png = await plain('png');
    const { run, output } = program(
      `console.log(String(await decoder.check('${stored(png)}', ${JSON.stringify(await factsOf(png))})));`,
    );
    await until('the program to end', () => run.exitCode !== null, { timeoutMs: 60_000 });
    expect([run.exitCode, output()]).to.deep.equal([0, 'undefined\n']);
  });

  it('outlives no mapper that is killed, not even while it works', async () => {
    const { run, output } = program(
      `console.log((await decoder.check('file', {})).why);
       await decoder.check('hang', {});`,
      STUB,
    );
    await until('the child', () => output().includes('\n'), { timeoutMs: 60_000 });
    const child = Number(/\d+/.exec(output())?.[0]);
    expect(existsSync(`/proc/${child}`)).to.equal(true);
    run.kill('SIGKILL');
    await until('the child to be gone', () => !existsSync(`/proc/${child}`));
  });
});

/** A program of its own that has a decoder. */
function program(body: string, main?: URL): { run: ChildProcess; output: () => string } {
  const module = new URL('../../../mapper/pictures/decoder-process.ts', import.meta.url).href;
  const script = `
    import { DecoderProcess } from '${module}';
    const main = ${JSON.stringify(main?.href)};
    const decoder = new DecoderProcess({ warn() {} }, {}, main && new URL(main));
    ${body}`;
  const run = spawn(process.execPath, ['--input-type=module-typescript', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  run.stdout.on('data', (chunk) => (output += String(chunk)));
  return { run, output: () => output };
}
