import { readdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setPriority } from 'node:os';
import sharp, { type Metadata, type Sharp, type SharpOptions } from 'sharp';
import { WRONG_CHECKSUM } from './damage.ts';
import { asDecodable } from './decodable.ts';
import { decoderMemory } from './decoder-memory.ts';
import type { DecoderAnswer, DecoderMessage, DecoderTask } from './decoder-messages.ts';
import type { FoundFacts, ThumbnailSize } from './decoder.ts';
import { arePixelsAsWritten } from './formats/png-checksums.ts';
import { laterFrames } from './formats/png-frames.ts';
import { idleAllThreads } from './idle-threads.ts';
import { MAX_PIXELS } from './picture.ts';

/*
 * The child process that decodes pictures, one at a time. Its arguments are the memory that it may have at
 * most, in bytes, and whether it runs only when the machine has nothing else to do (`idle`) or not (`busy`).
 */

const [wantedBytes, how] = process.argv.slice(2);
const MAX_MEMORY_BYTES = decoderMemory(Number(wantedBytes), process.constrainedMemory());
const LOWEST_PRIORITY = 19;
const WATCH_MS = 20;
const QUALITY = 80;

/** All others stay blocked: SVG, TIFF, PDF and what else libvips is built with. */
const LOADERS = ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Heif'];

behaveAsTheLeast();
sharp.cache(false);
sharp.concurrency(1);
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: LOADERS.map((name) => `VipsForeignLoad${name}Buffer`),
});
/** Of the picture that comes. */
const pieces: Uint8Array[] = [];
process.on('message', (message: DecoderMessage) => {
  if (message.kind === 'piece') pieces.push(message.bytes);
  else void answer(message);
});
// The mapper is gone.
process.on('disconnect', () => process.exit(0));
// Only the mapper is asked to stop, also when the whole group gets the signal.
process.on('SIGTERM', () => undefined).on('SIGINT', () => undefined);
process.send?.({ kind: 'ready' } satisfies DecoderAnswer);

function behaveAsTheLeast(): void {
  try {
    // When memory runs out, this is the process to end.
    writeFileSync('/proc/self/oom_score_adj', '1000');
    // A priority belongs to a thread, and some began before us.
    for (const thread of readdirSync('/proc/self/task')) setPriority(Number(thread), LOWEST_PRIORITY);
  } catch {
    // A sandbox may forbid it. Then redirects wait a little longer while pictures are posted.
  }
  if (how !== 'idle') return;
  try {
    // It is in a session of its own. Without such groups there is no such file.
    writeFileSync('/proc/self/autogroup', String(LOWEST_PRIORITY), { flag: 'r+' });
  } catch {
    // Then it counts as much as any other session.
  }
  try {
    idleAllThreads();
  } catch {
    // Then it has the lowest priority.
  }
}

/** Decoding has its own threads, so this one can watch them. */
async function answer(task: DecoderTask): Promise<void> {
  const watch = setInterval(() => {
    if (process.memoryUsage.rss() < MAX_MEMORY_BYTES) return;
    clearInterval(watch);
    process.send?.({ kind: 'too-much-memory' } satisfies DecoderAnswer, () =>
      process.kill(process.pid, 'SIGKILL'),
    );
  }, WATCH_MS);
  const answered = await work(task);
  clearInterval(watch);
  process.send?.(answered);
}

async function work(task: DecoderTask): Promise<DecoderAnswer> {
  try {
    if (task.kind === 'thumbnail')
      return { kind: 'thumbnail', bytes: await makeThumbnail(Buffer.concat(pieces.splice(0)), task.size) };
    const why = await findDamage(task.file, task.found);
    return why === undefined ? { kind: 'whole' } : { kind: 'failure', why };
  } catch (error) {
    return { kind: 'failure', why: reasonOf(String(error)) };
  }
}

/** Many cameras write some behind the last pixel. libjpeg gives no other warning for them. */
const EXTRANEOUS = /extraneous bytes before marker/i;

/** @throws Error of libvips at the first thing that it cannot decode */
async function findDamage(file: string, found: FoundFacts): Promise<string | undefined> {
  const isAnimated = found.type === 'gif' || found.type === 'webp';
  // Of a JPEG, a missing half is no more than a warning. libpng warns of profiles, which nobody sees.
  const failOn = found.type === 'jpeg' ? 'warning' : 'error';
  const options: SharpOptions = { animated: isAnimated, failOn, sequentialRead: true };
  const picture = await readFile(file);
  if (found.type === 'png' && !arePixelsAsWritten(picture)) return WRONG_CHECKSUM;
  const input = asDecodable(picture);
  const facts = await opened(input, options).metadata();
  await decodeAll(opened(input, options)).catch(async (error: unknown) => {
    if (!EXTRANEOUS.test(String(error))) throw error;
    await decodeAll(opened(input, { ...options, failOn: 'error' }));
  });
  // libvips knows nothing of animated PNG.
  if (found.type === 'png')
    for (const frame of laterFrames(picture)) await decodeAll(opened(asDecodable(frame), options));
  const { pages = 1 } = facts;
  if (isAnimated && pages !== found.frames) return `has ${pages} frames instead of ${found.frames}`;
  const [said, decoded] = [found, sizeShown(facts)].map(({ width, height }) => `${width} × ${height}`);
  return said === decoded ? undefined : `is ${decoded} pixels large instead of ${said}`;
}

/** libvips lays the frames of an animation on top of each other. */
function sizeShown({
  width,
  height,
  pageHeight = height,
  orientation = 1,
}: Metadata): Pick<FoundFacts, 'width' | 'height'> {
  return orientation >= 5 ? { width: pageHeight, height: width } : { width, height: pageHeight };
}

/** One pixel needs all of them, and hardly any memory. */
async function decodeAll(picture: Sharp): Promise<void> {
  await picture.resize(1, 1, { fit: 'fill', fastShrinkOnLoad: false }).raw().toBuffer();
}

async function makeThumbnail(picture: Buffer, size: ThumbnailSize): Promise<Buffer> {
  return opened(asDecodable(picture), { failOn: 'none', sequentialRead: true })
    .autoOrient()
    .resize({ width: size, height: size, fit: 'inside', withoutEnlargement: true })
    .webp({ quality: QUALITY })
    .toBuffer();
}

function opened(picture: Buffer, options: SharpOptions): Sharp {
  return sharp(picture, { ...options, limitInputPixels: MAX_PIXELS });
}

function reasonOf(error: string): string {
  if (/premature end|unexpected end|not enough data|read error|truncated/i.test(error))
    return 'is cut off in the middle';
  if (/pixel limit/i.test(error)) return 'has more pixels than it says';
  if (/corrupt/i.test(error)) return 'has damaged pixels';
  return 'cannot be decoded';
}
