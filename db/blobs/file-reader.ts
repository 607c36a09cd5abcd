import type { FileHandle } from 'node:fs/promises';
import { DamagedBlobError } from './blob-errors.ts';
import type { ByteSource } from './blob-stream.ts';
import type { DiskCalls } from './disk-calls.ts';
import { fromDisk } from './disk-errors.ts';

const PIECE_BYTES = 256 * 1024;
const STEP = 'read a blob';

export interface FileReaderOptions {
  /** Of the blob. */
  readonly name: string;
  /** The reader closes it. */
  readonly handle: FileHandle;
  readonly first: number;
  readonly last: number;
  /** The last byte is that of the blob: a byte behind it is damage. */
  readonly isEnd: boolean;
  readonly disk: DiskCalls;
}

/** Reads a part of a file that is a blob, and notices when the file is shorter or longer than the blob. */
export class FileReader implements ByteSource {
  readonly #options: FileReaderOptions;
  #at: number;

  constructor(options: FileReaderOptions) {
    this.#options = options;
    this.#at = options.first;
  }

  /** @throws StoreUnavailableError */
  async next(): Promise<Buffer | undefined> {
    const { first, last, isEnd } = this.#options;
    const left = last + 1 - this.#at;
    const isEmpty = last < first && isEnd && this.#at === first;
    if (left <= 0 && !isEmpty) return undefined;
    // One more than is left, if there is one: BlobStream then says that these are too many.
    const wanted = left > PIECE_BYTES ? PIECE_BYTES : left + Number(isEnd);
    const piece = Buffer.allocUnsafeSlow(wanted);
    const bytesRead = await this.#read([piece]);
    return bytesRead === 0 ? undefined : piece.subarray(0, bytesRead);
  }

  /**
   * All of it, in one call to the disk if that gives all.
   * @param target as long as the part
   * @throws StoreUnavailableError
   */
  async readInto(target: Buffer): Promise<void> {
    const { name, first, isEnd } = this.#options;
    const behind = Buffer.allocUnsafe(Number(isEnd));
    for (let at = 0; at < target.length; at = this.#at - first) {
      const bytesRead = await this.#read([target.subarray(at), behind]);
      if (bytesRead === 0) throw new DamagedBlobError(name, `it ends after ${this.#at} bytes`);
    }
    if (this.#at - first > target.length)
      throw new DamagedBlobError(name, 'it has more bytes than announced');
  }

  async close(): Promise<void> {
    await this.#options.disk.close(this.#options.handle);
  }

  async #read(buffers: readonly Buffer[]): Promise<number> {
    const { disk, handle } = this.#options;
    try {
      const { bytesRead } = await disk.do(STEP, async () => handle.readv(buffers, this.#at));
      this.#at += bytesRead;
      return bytesRead;
    } catch (error) {
      throw fromDisk(STEP, error);
    }
  }
}
