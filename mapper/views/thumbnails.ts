import { Readable } from 'node:stream';
import { DamagedBlobError } from '../../db/blobs/blob-errors.ts';
import type { BlobStore } from '../../db/blobs/blob-store.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import { blobNameOf, type ImageFacts } from '../../db/urls/image-facts.ts';
import type { Log } from '../../runtime/log.ts';
import { BoundedCache } from '../../runtime/bounded-cache.ts';
import { Problem } from '../http/problem.ts';
import { UndecodableError, type Decoder, type ThumbnailSize } from '../pictures/decoder.ts';
import { readWhole } from './checked-stream.ts';
import type { Lease, PictureMemory } from './picture-memory.ts';
import type { Pictures } from './pictures.ts';
import { ReadingPlaces } from './reading-places.ts';

export interface ThumbnailsOptions {
  readonly store: BlobStore;
  readonly decoder: Pick<Decoder, 'thumbnail'>;
  readonly pictures: Pictures;
  readonly memory: PictureMemory;
  /** Whether the image is still there, after its thumbnail was stored. */
  readonly isThere: (key: string) => Promise<boolean>;
  readonly onMade: () => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly log: Log;
}

export interface WantedThumbnail {
  readonly key: string;
  readonly image: ImageFacts;
  readonly size: ThumbnailSize;
}

/** Thumbnails that are being sent and are not in memory. They have some 100 KB. */
const SENDING = { count: 256, ofOne: 64, maxWaiting: 1_000, waitMs: 2_000 };
/** Bytes of the pictures that are read, or wait for the decoder: one of the largest, or many usual ones. */
const MAKING_BYTES = 24 * 2 ** 20;
const MAKING = { count: MAKING_BYTES, ofOne: MAKING_BYTES, maxWaiting: 64, waitMs: 3_000 };
/** How long a thumbnail that cannot be made is not tried again. */
const IMPOSSIBLE_MS = 600_000;
const MAX_IMPOSSIBLE = 1_000;
/** Larger than any WebP of 1,024 × 1,024 pixels. */
const MAX_BYTES = 8 * 2 ** 20;

/** The blob of a thumbnail: the name of its picture, and its size. */
export function thumbnailNameOf({ key, image, size }: WantedThumbnail): string {
  return `${blobNameOf(key, image.sha256)}-${size}`;
}

/**
 * Thumbnails are made at the first request, and stored. A process makes each once, however many ask for it.
 * Two processes may make the same one: the decoder gives the same bytes for the same picture, so it does not
 * matter which of them stays.
 */
export class Thumbnails {
  readonly #options: ThumbnailsOptions;
  readonly #sending = new ReadingPlaces(SENDING);
  readonly #making = new ReadingPlaces(MAKING);
  /** Until when those that could not be made are not tried again. */
  readonly #impossible = new BoundedCache<number>(MAX_IMPOSSIBLE);
  /** Thumbnails that are being read or made. */
  readonly #finding = new Map<string, Promise<Buffer>>();

  constructor(options: ThumbnailsOptions) {
    this.#options = options;
  }

  /** @throws StoreUnavailableError; DamagedBlobError of the picture; Problem 503 when too many are made */
  async open(
    wanted: WantedThumbnail,
    client: string | undefined,
  ): Promise<{ source: 'memory' | 'store'; lease: Lease }> {
    const { memory } = this.#options;
    const name = thumbnailNameOf(wanted);
    const kept = memory.find(name);
    if (kept !== undefined) return { source: 'memory', lease: kept };
    const release = await this.#sending.take(client);
    try {
      const bytes = await this.#find(name, wanted, client);
      const lease = memory.reserve(name, bytes.length)?.keep(bytes);
      if (lease === undefined) return { source: 'store', lease: { bytes, release } };
      release();
      return { source: 'store', lease };
    } catch (error) {
      release();
      throw error;
    }
  }

  async #find(name: string, wanted: WantedThumbnail, client: string | undefined): Promise<Buffer> {
    const running = this.#finding.get(name);
    if (running !== undefined) return running;
    const finding = this.#readOrMake(name, wanted, client).finally(() => this.#finding.delete(name));
    this.#finding.set(name, finding);
    return finding;
  }

  async #readOrMake(name: string, wanted: WantedThumbnail, client: string | undefined): Promise<Buffer> {
    const stored = await this.#read(name);
    if (stored !== undefined) return stored;
    const made = await this.#makeOnce(name, wanted, client);
    this.#options.onMade();
    await this.#put(name, wanted.key, made);
    return made;
  }

  async #read(name: string): Promise<Buffer | undefined> {
    const { store, log } = this.#options;
    const opened = await store.get(name);
    if (opened === undefined) return undefined;
    const { stream, bytes } = opened;
    try {
      if (bytes > MAX_BYTES) throw new DamagedBlobError(name, `it has ${bytes} bytes`);
      const whole = await readWhole(stream, { name, store: store.name, bytes });
      if (isWholeWebp(whole)) return whole;
      throw new DamagedBlobError(name, 'it is no whole WebP');
    } catch (error) {
      stream.destroy();
      if (!(error instanceof DamagedBlobError)) throw error;
      log.warn({ error, blob: name }, 'a thumbnail is damaged, and made again');
      await store.delete(name);
      return undefined;
    }
  }

  /** What cannot be made is not tried again at each request. */
  async #makeOnce(name: string, wanted: WantedThumbnail, client: string | undefined): Promise<Buffer> {
    const { now, log } = this.#options;
    if (now() < (this.#impossible.get(name) ?? 0)) throw cannotBeMade();
    try {
      return await this.#make(wanted, client);
    } catch (error) {
      if (!(error instanceof UndecodableError)) throw error;
      this.#impossible.set(name, now() + IMPOSSIBLE_MS);
      log.error({ error, blob: name }, 'a picture cannot be made smaller');
      throw cannotBeMade();
    }
  }

  async #make({ key, image, size }: WantedThumbnail, client: string | undefined): Promise<Buffer> {
    const { pictures, decoder } = this.#options;
    const leave = await this.#making.take(undefined, image.bytes);
    try {
      const picture = await pictures.read(key, image);
      try {
        return await decoder.thumbnail(picture.bytes, size, client);
      } finally {
        picture.release();
      }
    } finally {
      leave();
    }
  }

  /** Its client gets it also when it cannot be stored. */
  async #put(name: string, key: string, bytes: Buffer): Promise<void> {
    const { store, isThere, log } = this.#options;
    try {
      await store.put(name, { bytes: bytes.length, read: () => Readable.from([bytes]) });
      // The image may have been deleted meanwhile, and all of its blobs that were there.
      if (!(await isThere(key))) await store.delete(name);
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      log.warn({ error, blob: name }, 'a thumbnail was not stored');
    }
  }
}

function cannotBeMade(): Problem {
  return new Problem('overloaded', {
    detail: 'This picture cannot be made smaller.',
    headers: { 'Retry-After': String(IMPOSSIBLE_MS / 1_000) },
  });
}

/** Whether the length in the head of the file is that of the file (RFC 9649, 2.4). */
function isWholeWebp(bytes: Buffer): boolean {
  if (bytes.length < 12 || bytes.toString('latin1', 0, 4) !== 'RIFF') return false;
  return bytes.toString('latin1', 8, 12) === 'WEBP' && bytes.readUInt32LE(4) + 8 === bytes.length;
}
