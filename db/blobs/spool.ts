import { randomBytes } from 'node:crypto';
import { open, opendir, stat, statfs, unlink, utimes, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { BLOB_STORE, BlobRefusedError, ContentLengthError } from './blob-errors.ts';
import type { BlobContent } from './blob-store.ts';
import { exactly } from './blob-stream.ts';
import { SPOOL } from './directory-layout.ts';
import type { DiskCalls } from './disk-calls.ts';

/** Older ones belong to a process that is gone. */
const MAX_AGE_MS = 3_600_000;
/** A file of this age, or younger, counts as written now. */
const MAX_FRESH_MS = 60_000;
/** Each call to the disk costs a turn of a thread. */
const WRITTEN_TOGETHER = 256 * 1024;
const SUFFIX = '.tmp';
/** A block: the shortest text for which a disk needs room. */
const SAMPLE = Buffer.alloc(4_096);
/** For one image of the largest size. A disk that has less takes small images only, one after the other. */
const MIN_ROOM_BYTES = 20 * 2 ** 20;

/** The folder where blobs are until they are whole and on disk. */
export class Spool {
  readonly #folder: string;
  readonly #disk: DiskCalls;

  constructor(root: string, disk: DiskCalls) {
    this.#folder = join(root, SPOOL);
    this.#disk = disk;
  }

  /**
   * Writes a content, and makes the bytes durable.
   * @returns the path of the new file; when it throws there is none
   * @throws ContentLengthError, what the content throws, errors of the disk
   */
  async take(content: BlobContent, signal: AbortSignal): Promise<string> {
    const path = this.#newPath();
    try {
      await this.#write(content, path, signal);
      return path;
    } catch (error) {
      await this.remove(path);
      throw error;
    }
  }

  /**
   * Writes a small file and removes it. It is not made durable, so hardly anything reaches the disk.
   * @throws BlobRefusedError when there is no room for an image; errors of the disk
   */
  async checkWrites(): Promise<void> {
    const path = this.#newPath();
    const handle = await this.#open(path, 'wx');
    try {
      await this.#writeAll(handle, [SAMPLE], SAMPLE.length);
    } finally {
      await this.#disk.close(handle);
      await this.remove(path);
    }
    const { bavail, blocks, bsize } = await this.#disk.do('look at the disk', async () =>
      statfs(this.#folder),
    );
    // Some file systems tell nothing.
    if (blocks > 0 && bavail * bsize < MIN_ROOM_BYTES)
      throw new BlobRefusedError(BLOB_STORE, 'its disk is full: it has less than 20 MB left');
  }

  /** Also of a file that is not there. A file that cannot be removed is removed when it is old. */
  async remove(path: string): Promise<void> {
    await this.#disk.do('remove a spooled file', async () => unlink(path)).catch(() => undefined);
  }

  /** Removes the files of processes that are gone. @returns how many */
  async removeLeftovers(nowMs: number): Promise<number> {
    let removed = 0;
    const folder = await this.#disk.do(
      'read the spool',
      async () => opendir(this.#folder),
      async (late) => late.close(),
    );
    try {
      for (;;) {
        const entry = await this.#disk.do('read the spool', async () => folder.read());
        if (entry === null) return removed;
        if (!entry.name.endsWith(SUFFIX)) continue;
        const path = join(this.#folder, entry.name);
        const found = await this.#disk
          .do('look at a spooled file', async () => stat(path))
          .catch(() => undefined);
        if (found === undefined || found.ctimeMs > nowMs - MAX_AGE_MS) continue;
        await this.remove(path);
        removed += 1;
      }
    } finally {
      await this.#disk.close(folder);
    }
  }

  /**
   * Makes the bytes of a file durable, which then becomes a blob.
   * @throws ContentLengthError, errors of the disk
   */
  async makeDurable(path: string, { bytes, syncFile }: BlobContent): Promise<void> {
    if (syncFile !== undefined) return syncFile();
    const { size, mtimeMs } = await this.#disk.do('look at the file', async () => stat(path));
    if (size !== bytes) throw new ContentLengthError(bytes, String(size));
    // An old file would count as a blob that was stored long ago.
    const now = new Date();
    if (mtimeMs < now.getTime() - MAX_FRESH_MS)
      await this.#disk.do('date the file', async () => utimes(path, now, now));
    const handle = await this.#open(path, 'r+');
    try {
      await this.#disk.do('sync the file', async () => handle.sync());
    } finally {
      await this.#disk.close(handle);
    }
  }

  #newPath(): string {
    return join(this.#folder, `${randomBytes(12).toString('hex')}${SUFFIX}`);
  }

  async #write(content: BlobContent, path: string, signal: AbortSignal): Promise<void> {
    const handle = await this.#open(path, 'wx');
    try {
      const source = addAbortSignal(signal, content.read());
      const wrong = (found: string): Error => new ContentLengthError(content.bytes, found);
      let pieces: Buffer[] = [];
      let bytes = 0;
      for await (const piece of exactly(source, content.bytes, wrong)) {
        pieces.push(piece);
        bytes += piece.length;
        if (bytes < WRITTEN_TOGETHER) continue;
        await this.#writeAll(handle, pieces, bytes);
        [pieces, bytes] = [[], 0];
      }
      if (bytes > 0) await this.#writeAll(handle, pieces, bytes);
      await this.#disk.do('sync the file', async () => handle.sync());
    } finally {
      await this.#disk.close(handle);
    }
  }

  async #open(path: string, flags: 'wx' | 'r+'): Promise<FileHandle> {
    return this.#disk.do(
      'open the file',
      async () => open(path, flags, 0o600),
      async (late) => late.close(),
    );
  }

  /** A full disk takes a part of a piece first. */
  async #writeAll(handle: FileHandle, pieces: readonly Buffer[], bytes: number): Promise<void> {
    const step = 'write the file';
    let { bytesWritten: at } = await this.#disk.do(step, async () => handle.writev(pieces));
    while (at < bytes) {
      const rest = Buffer.concat(pieces).subarray(at);
      at += (await this.#disk.do(step, async () => handle.write(rest))).bytesWritten;
    }
  }
}
