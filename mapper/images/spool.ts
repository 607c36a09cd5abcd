import { createHash, randomBytes } from 'node:crypto';
import { lstat, mkdir, open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { DiskCalls } from '../../db/blobs/disk-calls.ts';
import type { Log } from '../../runtime/log.ts';
import { codeOf } from '../../runtime/errors.ts';
import { Problem } from '../http/problem.ts';
import type { PictureSource } from '../pictures/picture.ts';
import { folderName, removeLeftOvers } from './left-over-spools.ts';

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
    return new SpoolFile(path, handle, this.#disk);
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

/** A file that is written from its beginning to its end, and then read at any place. */
export class SpoolFile implements PictureSource, AsyncDisposable {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #disk: SpoolDisk;
  readonly #hash = createHash('sha256');
  #bytes = 0;
  #digest: string | undefined;

  constructor(path: string, handle: FileHandle, disk: SpoolDisk) {
    this.path = path;
    this.#handle = handle;
    this.#disk = disk;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** SHA-256 of all bytes, 64 hex digits. Nothing may be written afterwards. */
  get sha256(): string {
    return (this.#digest ??= this.#hash.digest('hex'));
  }

  /** @throws Problem 503 the disk is full, or does not work */
  async write(piece: Uint8Array): Promise<void> {
    this.#hash.update(piece);
    for (let at = 0; at < piece.length;) {
      const from = at;
      const { bytesWritten } = await orNoRoom(async () =>
        this.#disk.do('write an upload', async () =>
          this.#handle.write(piece, from, piece.length - from, this.#bytes),
        ),
      );
      at += bytesWritten;
      this.#bytes += bytesWritten;
    }
  }

  /** @throws Problem 503 */
  async read(position: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(length, this.#bytes - position)));
    let filled = 0;
    while (filled < buffer.length) {
      const from = filled;
      const { bytesRead } = await orNoRoom(async () =>
        this.#disk.do('read an upload', async () =>
          this.#handle.read(buffer, from, buffer.length - from, position + from),
        ),
      );
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  }

  /** All of it, from the first byte. Read it before the file is disposed of. It fails with Problem 503. */
  stream(): Readable {
    return Readable.from(this.#pieces(), { objectMode: false });
  }

  /** A file that cannot be removed is removed by a later process. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disk.close(this.#handle);
    await this.#disk
      .do('remove an upload', async () => rm(this.path, { force: true }))
      .catch(() => undefined);
  }

  async *#pieces(): AsyncGenerator<Buffer> {
    for (let at = 0; at < this.#bytes;) {
      const piece = await this.read(at, PIECE_BYTES);
      if (piece.length === 0) return;
      at += piece.length;
      yield piece;
    }
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
