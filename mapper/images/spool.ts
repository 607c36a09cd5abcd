import { createHash, randomBytes } from 'node:crypto';
import { lstat, mkdir, open, rm, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { DiskCalls } from '../../db/blobs/disk-calls.ts';
import type { Log } from '../../runtime/log.ts';
import { codeOf } from '../../runtime/errors.ts';
import { Problem } from '../http/problem.ts';
import type { PictureSource } from '../pictures/picture.ts';
import { folderName, removeLeftOvers } from './left-over-spools.ts';
import { SharedTurn } from './shared-turn.ts';
import { SpoolBuffers } from './spool-buffers.ts';

export interface SpoolOptions {
  /** Has the folders of all processes. It is made, but not what it is in. */
  readonly parent: string;
  /** In a folder where everybody may write: the parent is used only if nobody else made it, or may. */
  readonly isAmongOthers?: boolean | undefined;
  /** The calls to the disk, each with a deadline. */
  readonly disk: SpoolDisk;
  readonly log: Log;
}

type SpoolDisk = Pick<DiskCalls, 'do' | 'close'>;

interface SpoolFileOptions {
  readonly handle: FileHandle;
  readonly disk: SpoolDisk;
  readonly buffers: SpoolBuffers;
  readonly turn: SharedTurn;
}

/** Of a file that is read from its beginning to its end. */
const PIECE_BYTES = 256 * 1024;

/**
 * Files for the time of one upload, in a folder of this process. What a process leaves behind when it is
 * killed, a later one removes.
 */
export class Spool implements AsyncDisposable {
  readonly #parent: string;
  readonly #isAmongOthers: boolean;
  readonly #disk: SpoolDisk;
  readonly #folder: string;
  readonly #buffers = new SpoolBuffers();
  readonly #turn = new SharedTurn();
  #count = 0;

  private constructor({ parent, isAmongOthers = false, disk }: SpoolOptions) {
    this.#parent = parent;
    this.#isAmongOthers = isAmongOthers;
    this.#disk = disk;
    this.#folder = join(parent, folderName(randomBytes(8).toString('hex')));
  }

  /**
   * Also removes what others have left. It never fails: links do not need it. A disk that is not there yet is
   * asked again with each upload.
   */
  static async open(options: SpoolOptions): Promise<Spool> {
    const { parent, disk, log } = options;
    try {
      await disk.do('clear the uploads', async () => removeLeftOvers(parent));
    } catch (error) {
      if (codeOf(error) !== 'ENOENT')
        log.warn({ error, folder: parent }, 'left uploads stay for the next start');
    }
    return new Spool(options);
  }

  /**
   * A new, empty file. Dispose of it: that removes it, unless somebody has taken it away.
   * @throws Problem 503
   */
  async create(): Promise<SpoolFile> {
    this.#count += 1;
    const path = join(this.#folder, String(this.#count));
    const handle = await orNoRoom(async () => this.#open(path));
    return new SpoolFile(path, { handle, disk: this.#disk, buffers: this.#buffers, turn: this.#turn });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disk
      .do('remove the uploads', async () => rm(this.#folder, { recursive: true, force: true }))
      .catch(() => undefined);
  }

  async #open(path: string): Promise<FileHandle> {
    try {
      return await this.#tryOpen(path);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
    // Not what the parent is in: it may be the place of a disk that is not mounted.
    await this.#disk.do('make the uploads', async () => makeFolder(this.#parent));
    if (this.#isAmongOthers)
      await this.#disk.do('look at the uploads', async () => refuseFolderOfOthers(this.#parent));
    await this.#disk.do('make the uploads', async () => makeFolder(this.#folder));
    return this.#tryOpen(path);
  }

  async #tryOpen(path: string): Promise<FileHandle> {
    return this.#disk.do(
      'make an upload',
      async () => open(path, 'wx+', 0o600),
      async (late) => late.close(),
    );
  }
}

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
  #digest: string | undefined;

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

  /** SHA-256 of all bytes, 64 hex digits. Nothing may be written afterwards. */
  get sha256(): string {
    return (this.#digest ??= this.#hash.digest('hex'));
  }

  /** The bytes are in the file after {@link finish}. @throws Problem 503 the disk is full, or fails */
  async write(piece: Uint8Array): Promise<void> {
    const others = this.#turn.next();
    if (others !== undefined) await others;
    this.#hash.update(piece);
    for (let at = 0; at < piece.length;) {
      const buffer = (this.#buffer ??= this.#buffers.take());
      if (this.#held === buffer.length || this.#position + this.#held !== this.#bytes) {
        await this.finish();
        [this.#position, this.#held] = [this.#bytes, 0];
      }
      const part = piece.subarray(at, at + buffer.length - this.#held);
      buffer.set(part, this.#held);
      this.#held += part.length;
      this.#bytes += part.length;
      at += part.length;
    }
  }

  /** Writes what is only in memory yet. @throws Problem 503 */
  async finish(): Promise<void> {
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

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, 0o700);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

/** Who owns it could put other bytes in the place of those that were checked. */
async function refuseFolderOfOthers(path: string): Promise<void> {
  const found = await lstat(path);
  const isOurs = found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o077) === 0;
  if (!isOurs) throw new Error(`${path} belongs to somebody else, or others may use it`);
}

async function orNoRoom<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new Problem('store-down', { detail: 'There is no room for pictures just now.', cause });
  }
}
