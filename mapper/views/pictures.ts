import { DamagedBlobError } from '../../db/blobs/blob-errors.ts';
import type { BlobStore, ByteRange, OpenBlob } from '../../db/blobs/blob-store.ts';
import { blobNameOf, type ImageFacts } from '../../db/urls/image-facts.ts';
import { BoundedCache } from '../../runtime/bounded-cache.ts';
import { BegunStream } from '../http/send-stream.ts';
import { ByteBudget } from './byte-budget.ts';
import { checkHash, checkedChunks, readWhole, type Expected } from './checked-stream.ts';
import { PictureBuffers, type PictureBuffer } from './picture-buffers.ts';
import type { Lease, PictureMemory, Reservation } from './picture-memory.ts';
import { KnownDamageError } from './known-damage.ts';
import { ReadingPlaces } from './reading-places.ts';

/** A picture to be sent: bytes in memory, or bytes on their way from the store. */
export type OpenPicture =
  | { readonly source: 'memory' | 'store'; readonly lease: Lease }
  | { readonly source: 'store'; readonly stream: BegunStream; readonly release: () => void };

export interface PicturesOptions {
  readonly store: BlobStore;
  readonly memory: PictureMemory;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/**
 * Pictures that are sent from the store at a time. Each keeps some chunks of 256 KiB in memory, for as long
 * as its client is slow: so no client has many.
 */
const STREAMS = { count: 256, ofOne: 16, maxWaiting: 1_000, waitMs: 2_000 };
/**
 * Pictures that are read whole into buffers and sent from there. More, and larger ones, are streams: those
 * cost more CPU, and less memory while their clients are slow.
 */
const BUFFERS = { count: 32, bytes: 2 ** 20 };
/** For pictures that are read whole before anything is sent, because nobody has compared their hash yet. */
const FIRST_READS_BYTES = 16 * 2 ** 20;
/** Larger ones are compared while they are sent: their clients would wait too long. */
const LARGEST_FIRST_READ = 4 * 2 ** 20;
/** Pictures whose bytes this process has compared with their hash. */
const MAX_COMPARED = 50_000;
/** How long a damaged one is not read again. */
const DAMAGED_MS = 30_000;
const MAX_DAMAGED = 1_000;

/** Reads pictures from memory or from the store, and compares what comes with what was stored. */
export class Pictures {
  readonly #options: PicturesOptions;
  readonly #places = new ReadingPlaces(STREAMS);
  readonly #buffers = new PictureBuffers(BUFFERS.count, BUFFERS.bytes);
  readonly #firstReads = new ByteBudget(FIRST_READS_BYTES);
  readonly #compared = new BoundedCache<true>(MAX_COMPARED);
  /** Until when, in monotonic ms. */
  readonly #damaged = new Map<string, number>();
  /** Pictures on their way into memory. */
  readonly #loads = new Map<string, Promise<Buffer>>();

  constructor(options: PicturesOptions) {
    this.#options = options;
  }

  /**
   * @param range undefined: all of it. A lease always has all of it
   * @param client who is sent the picture, as far as that is known
   * @throws DamagedBlobError; StoreUnavailableError; Problem 503 when too many are being read
   */
  async open(
    key: string,
    { sha256, bytes }: ImageFacts,
    range: ByteRange | undefined,
    client: string | undefined,
  ): Promise<OpenPicture> {
    const name = blobNameOf(key, sha256);
    const { memory, store } = this.#options;
    const kept = memory.find(name);
    if (kept !== undefined) return { source: 'memory', lease: kept };
    const expected = { name, store: store.name, bytes, sha256 };
    for (let load = this.#loads.get(name); load !== undefined; load = this.#loads.get(name)) {
      await load.catch((error: unknown) => {
        // Whoever loads it has it logged.
        throw error instanceof DamagedBlobError ? new KnownDamageError(name) : error;
      });
      const loaded = memory.find(name);
      if (loaded !== undefined) return { source: 'memory', lease: loaded };
    }
    this.#refuseDamaged(name);
    const reservation = memory.reserve(name, bytes);
    if (reservation !== undefined) return { source: 'store', lease: await this.#load(expected, reservation) };
    const buffer = range === undefined ? this.#buffers.tryTake(bytes) : undefined;
    if (buffer !== undefined) return this.#readBuffered(expected, buffer);
    const isFirst = range === undefined && !this.#isCompared(name);
    const giveBack = isFirst && bytes <= LARGEST_FIRST_READ ? this.#firstReads.tryTake(bytes) : undefined;
    return giveBack === undefined
      ? this.#stream(expected, range, client)
      : this.#readFirst(expected, giveBack);
  }

  /** All bytes, for the decoder. @throws as {@link open} */
  async read(key: string, { sha256, bytes }: ImageFacts): Promise<Lease> {
    const name = blobNameOf(key, sha256);
    const kept = this.#options.memory.find(name);
    if (kept !== undefined) return kept;
    this.#refuseDamaged(name);
    const content = await this.#readAll({ name, store: this.#options.store.name, bytes, sha256 });
    return { bytes: content, release: () => undefined };
  }

  /** Into memory. Whoever asks meanwhile waits for it. */
  async #load(expected: Expected, reservation: Reservation): Promise<Lease> {
    const load = this.#readAll(expected);
    this.#loads.set(expected.name, load);
    try {
      return reservation.keep(await load);
    } catch (error) {
      reservation.cancel();
      throw error;
    } finally {
      this.#loads.delete(expected.name);
    }
  }

  async #readBuffered(expected: Expected, buffer: PictureBuffer): Promise<OpenPicture> {
    const { name } = expected;
    const { memory: bytes, release, discard } = buffer;
    try {
      const { stream, readInto } = await this.#get(expected, undefined);
      const isCompared = this.#isCompared(name);
      await this.#watched(name, async () => {
        if (readInto === undefined) {
          await readWhole(stream, isCompared ? { ...expected, sha256: undefined } : expected, bytes);
          return;
        }
        await readInto(bytes);
        if (!isCompared) await checkHash(bytes, expected);
      });
      this.#compared.set(name, true);
      return { source: 'store', lease: { bytes, release } };
    } catch (error) {
      discard();
      throw error;
    }
  }

  async #readFirst(expected: Expected, giveBack: () => void): Promise<OpenPicture> {
    try {
      return { source: 'store', lease: { bytes: await this.#readAll(expected), release: giveBack } };
    } catch (error) {
      giveBack();
      throw error;
    }
  }

  async #readAll(expected: Expected): Promise<Buffer> {
    // It is left when the bytes are there, however slow the client is.
    const leave = await this.#places.take(undefined);
    try {
      const { stream } = await this.#get(expected, undefined);
      const content = await this.#watched(expected.name, async () => readWhole(stream, expected));
      this.#compared.set(expected.name, true);
      return content;
    } finally {
      leave();
    }
  }

  async #stream(
    expected: Expected,
    range: ByteRange | undefined,
    client: string | undefined,
  ): Promise<OpenPicture> {
    const { name } = expected;
    const release = await this.#places.take(client);
    try {
      const { stream } = await this.#get(expected, range);
      const isCompared = range === undefined && !this.#isCompared(name);
      const bytes = range === undefined ? expected.bytes : range.last - range.first + 1;
      const sha256 = isCompared ? expected.sha256 : undefined;
      const chunks = this.#watchedChunks(
        checkedChunks(stream, { ...expected, bytes, sha256 }),
        name,
        isCompared,
      );
      return { source: 'store', stream: await BegunStream.begin(chunks), release };
    } catch (error) {
      release();
      throw error;
    }
  }

  async *#watchedChunks(
    chunks: AsyncIterable<Buffer>,
    name: string,
    isCompared: boolean,
  ): AsyncGenerator<Buffer, void> {
    try {
      yield* chunks;
    } catch (error) {
      this.#noteDamaged(name, error);
      throw error;
    }
    if (isCompared) this.#compared.set(name, true);
  }

  async #get({ name, bytes }: Expected, range: ByteRange | undefined): Promise<OpenBlob> {
    return this.#watched(name, async () => {
      const opened = await this.#options.store.get(name, range, bytes);
      if (opened === undefined) throw new DamagedBlobError(name, 'it is missing');
      if (opened.bytes === bytes) return opened;
      opened.stream.destroy();
      throw new DamagedBlobError(name, `it has ${opened.bytes} instead of ${bytes} bytes`);
    });
  }

  #isCompared(name: string): boolean {
    return this.#compared.get(name) === true;
  }

  async #watched<T>(name: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.#noteDamaged(name, error);
      throw error;
    }
  }

  #noteDamaged(name: string, error: unknown): void {
    if (!(error instanceof DamagedBlobError)) return;
    const [oldest] = this.#damaged.keys();
    if (this.#damaged.size >= MAX_DAMAGED && oldest !== undefined) this.#damaged.delete(oldest);
    this.#damaged.set(name, this.#options.now() + DAMAGED_MS);
  }

  /** It was damaged a moment ago: nobody is sent its first half again. */
  #refuseDamaged(name: string): void {
    const untilMs = this.#damaged.get(name);
    if (untilMs === undefined) return;
    if (this.#options.now() < untilMs) throw new KnownDamageError(name);
    this.#damaged.delete(name);
  }
}
