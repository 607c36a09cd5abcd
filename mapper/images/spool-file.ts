import { createHash } from 'node:crypto';
import { unlink, type FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { DiskCalls } from '../../db/blobs/disk-calls.ts';
import { Problem } from '../http/problem.ts';
import type { PictureSource } from '../pictures/picture.ts';
import type { SharedTurn } from './shared-turn.ts';
import { BUFFER_BYTES, type SpoolBuffers } from './spool-buffers.ts';

/** The calls to the disk, each with a deadline. */
export type SpoolDisk = Pick<DiskCalls, 'do' | 'close'>;

interface SpoolFileOptions {
  readonly handle: FileHandle;
  readonly disk: SpoolDisk;
  readonly buffers: SpoolBuffers;
  readonly turn: SharedTurn;
}

/** Of a file that is read from its beginning to its end. */
const PIECE_BYTES = 256 * 1024;
/** They take a sixth of a millisecond. Others have their turn in between. */
const HASHED_BYTES = 256 * 1024;
const NOTHING = Buffer.alloc(0);

/**
 * A file that is written from its beginning to its end, and then read at any place; by one call at a time.
 * Some of its bytes are in memory: those that were written last, or those that were read.
 */
export class SpoolFile implements PictureSource, AsyncDisposable {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #disk: SpoolDisk;
  readonly #buffers: SpoolBuffers;
  readonly #turn: SharedTurn;
  /** Of the first bytes: those that had to make room, and all at the end. */
  readonly #hash = createHash('sha256');
  #bytes = 0;
  /** So many of them are in the file. */
  #written = 0;
  #buffer: Buffer | undefined;
  /** Of the first byte in the buffer. */
  #position = 0;
  #held = 0;
  #mayBeUsedLate = false;
  #isTaken = false;
  #hashed = 0;

  constructor(path: string, { handle, disk, buffers, turn }: SpoolFileOptions) {
    this.path = path;
    this.#handle = handle;
    this.#disk = disk;
    this.#buffers = buffers;
    this.#turn = turn;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * SHA-256 of all bytes, 64 hex digits. Nothing may be written afterwards. Whoever stores other bytes than
   * these need not ask: a megabyte takes 0.6 ms.
   * @throws Problem 503 the disk fails
   */
  async hash(): Promise<string> {
    await this.#hashHeld();
    while (this.#hashed < this.#bytes) {
      const piece = await this.read(this.#hashed, HASHED_BYTES);
      if (piece.length === 0) throw noRoom(new Error(`${this.path} is shorter than it was written`));
      await this.#hashPiece(piece);
    }
    return this.#hash.digest('hex');
  }

  /**
   * Keeps a piece, which is in the file after {@link finish}.
   * @returns undefined: done, without a promise, as most pieces are
   * @throws Problem 503 the disk is full, or fails
   */
  keep(piece: Uint8Array): Promise<void> | undefined {
    const others = this.#turn.next();
    if (others !== undefined || !this.#isEndHeld || this.#roomLeft < piece.length)
      return this.#keepLater(piece, others);
    this.#add(piece);
    return undefined;
  }

  /** Writes what is only in memory yet. @throws Problem 503 */
  async finish(): Promise<void> {
    const isLong = this.#hashed > 0;
    await Promise.all([this.#writeHeld(), isLong ? this.#hashHeld() : undefined]);
  }

  /** Makes what was written durable. @throws Problem 503, StoreUnavailableError, what the disk says */
  async sync(): Promise<void> {
    await this.finish();
    await this.#disk.do('sync an upload', async () => this.#handle.datasync());
  }

  /**
   * @returns a view that is valid until the next call
   * @throws Problem 503
   */
  async read(position: number, length: number): Promise<Buffer> {
    const wanted = Math.max(0, Math.min(length, this.#bytes - position));
    const from = position - this.#position;
    if (this.#buffer !== undefined && from >= 0 && from + wanted <= this.#held)
      return this.#buffer.subarray(from, from + wanted);
    await this.finish();
    const buffer = (this.#buffer ??= this.#buffers.take());
    if (wanted > buffer.length) return this.#readNew(position, wanted);
    // Who jumps needs no more than he asks for.
    const isInOrder = from > 0 && from <= this.#held;
    const ahead = Math.min(this.#bytes - position, isInOrder ? PIECE_BYTES : 0);
    [this.#position, this.#held] = [position, 0];
    this.#held = await this.#readInto(buffer.subarray(0, Math.max(wanted, ahead)), position);
    return buffer.subarray(0, Math.min(wanted, this.#held));
  }

  /** Needs no memory from now on, until it is read again. Call it after {@link finish}. */
  release(): void {
    if (this.#buffer !== undefined && !this.#mayBeUsedLate) this.#buffers.give(this.#buffer);
    this.#buffer = undefined;
    [this.#position, this.#held] = [0, 0];
  }

  async #keepLater(piece: Uint8Array, others: Promise<void> | undefined): Promise<void> {
    if (others !== undefined) await others;
    for (let at = 0; at < piece.length;) {
      if (!this.#isEndHeld || this.#roomLeft === 0) await this.#makeRoom();
      const part = piece.subarray(at, at + this.#roomLeft);
      this.#add(part);
      at += part.length;
    }
  }

  #add(piece: Uint8Array): void {
    (this.#buffer ??= this.#buffers.take()).set(piece, this.#held);
    this.#held += piece.length;
    this.#bytes += piece.length;
  }

  /** Whether the bytes in memory are the last ones. */
  get #isEndHeld(): boolean {
    return this.#position + this.#held === this.#bytes;
  }

  get #roomLeft(): number {
    return BUFFER_BYTES - this.#held;
  }

  /** While the disk writes the bytes in memory, they are hashed. */
  async #makeRoom(): Promise<void> {
    await Promise.all([this.#writeHeld(), this.#hashHeld()]);
    [this.#position, this.#held] = [this.#bytes, 0];
  }

  async #writeHeld(): Promise<void> {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    while (this.#written < this.#bytes) {
      const from = this.#written - this.#position;
      const { bytesWritten } = await this.#do('write an upload', async () =>
        this.#handle.write(buffer, from, this.#held - from, this.#written),
      );
      this.#written += bytesWritten;
    }
  }

  async #hashHeld(): Promise<void> {
    const held = this.#buffer?.subarray(0, this.#held) ?? NOTHING;
    for (;;) {
      const at = this.#hashed - this.#position;
      if (at < 0 || at >= held.length) return;
      await this.#hashPiece(held.subarray(at, at + HASHED_BYTES));
    }
  }

  async #hashPiece(piece: Buffer): Promise<void> {
    const others = this.#turn.next();
    if (others !== undefined) await others;
    this.#hash.update(piece);
    this.#hashed += piece.length;
  }

  /** All of it, from the first byte. Read it before the file is disposed of. It fails with Problem 503. */
  stream(): Readable {
    return Readable.from(this.#pieces(), { objectMode: false });
  }

  /** Whether it has another name now. It can still be read. */
  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** A store has given it another name, and will remove it. */
  taken(): void {
    this.#isTaken = true;
  }

  /** A file that cannot be removed is removed by a later process. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
    await this.#disk.close(this.#handle);
    if (this.#isTaken) return;
    await this.#disk.do('remove an upload', async () => unlink(this.path)).catch(() => undefined);
  }

  async *#pieces(): AsyncGenerator<Buffer> {
    await this.finish();
    for (let at = 0; at < this.#bytes;) {
      const piece = await this.#readNew(at, Math.min(PIECE_BYTES, this.#bytes - at));
      if (piece.length === 0) return;
      at += piece.length;
      yield piece;
    }
  }

  async #readNew(position: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafeSlow(length);
    return buffer.subarray(0, await this.#readInto(buffer, position));
  }

  async #readInto(target: Buffer, position: number): Promise<number> {
    let filled = 0;
    while (filled < target.length) {
      const from = filled;
      const { bytesRead } = await this.#do('read an upload', async () =>
        this.#handle.read(target, from, target.length - from, position + from),
      );
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled;
  }

  /** A call that is late still uses the buffer, which nobody else may get then. */
  async #do<T>(step: string, call: () => Promise<T>): Promise<T> {
    return orNoRoom(async () => this.#disk.do(step, call)).catch((error: unknown) => {
      this.#mayBeUsedLate = true;
      throw error;
    });
  }
}

/** @throws Problem 503 whatever fails */
export async function orNoRoom<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw noRoom(cause);
  }
}

function noRoom(cause: unknown): Problem {
  return new Problem('store-down', { detail: 'There is no room for pictures just now.', cause });
}
