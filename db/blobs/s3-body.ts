import type { Readable } from 'node:stream';
import { DeadlineError } from '../../runtime/errors.ts';
import { stalled, type Progress } from './attempts.ts';
import { BLOB_STORE, BlobRefusedError, DamagedBlobError } from './blob-errors.ts';
import type { ByteRange } from './blob-store.ts';
import type { ByteSource } from './blob-stream.ts';
import { fromS3 } from './s3-errors.ts';

/** What an answer says of its body. */
interface Announced {
  readonly ContentLength?: number | undefined;
  readonly ContentRange?: string | undefined;
}

export interface S3BodyOptions {
  readonly body: Readable;
  readonly progress: Progress;
  /** Its connection is free. */
  readonly release: () => void;
  readonly stallMs: number;
}

/**
 * The body of an answer. Only the time in which we wait for bytes counts. A server may end an answer that
 * nobody reads; after such a pause, its end says nothing about the server.
 */
export class S3Body implements ByteSource {
  readonly #options: S3BodyOptions;
  readonly #pieces: AsyncIterator<Buffer>;
  #gaveMs = performance.now();
  #hasPaused = false;

  constructor(options: S3BodyOptions) {
    this.#options = options;
    this.#pieces = options.body[Symbol.asyncIterator]();
  }

  /** @throws StoreUnavailableError */
  async next(): Promise<Buffer | undefined> {
    const { progress, stallMs } = this.#options;
    this.#hasPaused ||= performance.now() - this.#gaveMs > stallMs;
    progress.went();
    try {
      const next = await this.#pieces.next();
      return next.done === true ? undefined : next.value;
    } catch (error) {
      if (progress.signal.reason instanceof DeadlineError) throw stalled(stallMs);
      throw this.#hasPaused
        ? new BlobRefusedError(BLOB_STORE, 'it ended an answer that was read slowly')
        : fromS3(error);
    } finally {
      progress.stop();
      this.#gaveMs = performance.now();
    }
  }

  async close(): Promise<void> {
    this.#options.progress.stop();
    this.#options.body.destroy();
    this.#options.release();
  }
}

/** How many bytes the whole blob has, if the answer is one to what was asked. */
export function announcedBytes(name: string, answer: Announced, range: ByteRange | undefined): number {
  const { ContentLength: length, ContentRange: said = '' } = answer;
  if (length === undefined) throw new DamagedBlobError(name, 'the store does not say how long it is');
  if (range === undefined) return length;
  const [, first, last, bytes] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(said) ?? [];
  const isRight = Number(first) === range.first && Number(last) === range.last;
  if (!isRight || length !== range.last + 1 - range.first)
    throw new DamagedBlobError(name, 'the store sends other bytes than were asked for');
  return Number(bytes);
}
