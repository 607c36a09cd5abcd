import { createHash } from 'node:crypto';
import { DamagedBlobError } from './blob-errors.ts';
import type { BlobStore } from './blob-store.ts';

/** What a blob must be, as the row of its link says. */
export interface ExpectedBlob {
  readonly bytes: number;
  /** 64 hex digits. */
  readonly sha256: string;
}

/** So many names take about 20 MB. */
const MAX_KNOWN = 100_000;

/**
 * Whole blobs of a store, with their length compared at each read and their hash at the first one in this
 * process: hashing every time takes longer than all else. The process remembers a bounded number of names.
 */
export class WholeBlobs {
  readonly #store: BlobStore;
  readonly #maxKnown: number;
  /** Names whose hash was right, the one that was used last behind the others. */
  readonly #known = new Set<string>();

  constructor(store: BlobStore, maxKnown = MAX_KNOWN) {
    this.#store = store;
    this.#maxKnown = maxKnown;
  }

  /**
   * The bytes of a blob; undefined: there is none. The caller bounds how many he keeps at a time.
   * @throws DamagedBlobError when they are not the expected ones, StoreUnavailableError
   */
  async read(name: string, expected: ExpectedBlob): Promise<Buffer | undefined> {
    const pieces: Buffer[] = [];
    const isThere = await this.#each(name, expected, this.#isKnown(name), (piece) => pieces.push(piece));
    return isThere ? Buffer.concat(pieces, expected.bytes) : undefined;
  }

  /**
   * Compares the hash unless this process has done so before, so that the blob may be sent from the store
   * piece by piece. It keeps one piece in memory.
   * @returns false: there is no such blob
   * @throws DamagedBlobError, StoreUnavailableError
   */
  async ensure(name: string, expected: ExpectedBlob): Promise<boolean> {
    return this.#isKnown(name) || this.verify(name, expected);
  }

  /** Like {@link ensure}, and always reads all of it: for an audit. */
  async verify(name: string, expected: ExpectedBlob): Promise<boolean> {
    return this.#each(name, expected, false, () => undefined);
  }

  /** What was read does not count any more: the blob was deleted. */
  forget(name: string): void {
    this.#known.delete(name);
  }

  async #each(
    name: string,
    { bytes, sha256 }: ExpectedBlob,
    isKnown: boolean,
    take: (piece: Buffer) => unknown,
  ): Promise<boolean> {
    const blob = await this.#store.get(name);
    if (blob === undefined) {
      this.#known.delete(name);
      return false;
    }
    try {
      if (blob.bytes !== bytes) throw new DamagedBlobError(name, `it has ${blob.bytes} bytes, not ${bytes}`);
      const hash = isKnown ? undefined : createHash('sha256');
      for await (const piece of blob.stream as AsyncIterable<Buffer>) {
        hash?.update(piece);
        take(piece);
      }
      if (hash === undefined) return true;
      const found = hash.digest('hex');
      if (found !== sha256) throw new DamagedBlobError(name, `its SHA-256 is ${found}, not ${sha256}`);
      this.#remember(name);
      return true;
    } catch (error) {
      this.#known.delete(name);
      throw error;
    } finally {
      blob.stream.destroy();
    }
  }

  #isKnown(name: string): boolean {
    if (!this.#known.has(name)) return false;
    this.#remember(name);
    return true;
  }

  #remember(name: string): void {
    this.#known.delete(name);
    this.#known.add(name);
    if (this.#known.size <= this.#maxKnown) return;
    for (const oldest of this.#known) {
      this.#known.delete(oldest);
      return;
    }
  }
}
