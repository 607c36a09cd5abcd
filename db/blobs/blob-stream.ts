import { Readable } from 'node:stream';
import { DamagedBlobError } from './blob-errors.ts';

/** Where the bytes of a blob that is read come from. */
export interface ByteSource {
  /** The next bytes; undefined at the end. It has a deadline. */
  next(): Promise<Buffer | undefined>;
  close(): Promise<void>;
}

/**
 * The bytes of a blob, exactly as many as announced: it fails with DamagedBlobError when there are fewer or
 * more. It must be read to its end or destroyed, else the source stays open.
 */
export class BlobStream extends Readable {
  readonly #blob: string;
  readonly #source: ByteSource;
  #missing: number;

  constructor(blob: string, bytes: number, source: ByteSource) {
    super();
    this.#blob = blob;
    this.#source = source;
    this.#missing = bytes;
  }

  override _read(): void {
    void this.#pull();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#close();
    done(error);
  }

  #close(): void {
    this.#source.close().catch(() => undefined);
  }

  async #pull(): Promise<void> {
    try {
      const piece = await this.#source.next();
      if (this.destroyed) return;
      this.#missing -= piece?.length ?? 0;
      if (this.#missing < 0) throw new DamagedBlobError(this.#blob, 'it has more bytes than announced');
      if (piece === undefined && this.#missing > 0)
        throw new DamagedBlobError(this.#blob, `it breaks off ${this.#missing} bytes before its end`);
      this.push(piece ?? null);
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

/**
 * Passes the bytes of `content` on, if there are exactly `announced`. The last piece is held back until the
 * content has ended, so that a receiver who counts never has a whole blob of a content that is too long.
 * @param wrong makes the error of a content with another length
 */
export async function* exactly(
  content: AsyncIterable<Buffer>,
  announced: number,
  wrong: (found: string) => Error,
): AsyncGenerator<Buffer> {
  let found = 0;
  let held: Buffer | undefined;
  for await (const piece of content) {
    found += piece.length;
    if (found > announced) throw wrong('more');
    if (piece.length === 0) continue;
    if (held !== undefined) yield held;
    held = piece;
  }
  if (found < announced) throw wrong(String(found));
  if (held !== undefined) yield held;
}
