import { mkdir, open, readdir, rename, rmdir, stat, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, DeadlineError } from '../../runtime/errors.ts';
import { withDeadline } from '../../runtime/retry.ts';
import { StoreUnavailableError } from '../store-errors.ts';
import { BLOB_STORE, DamagedBlobError } from './blob-errors.ts';
import { checkPrefix } from './blob-names.ts';
import type { BlobContent, BlobStat, BlobStore, ByteRange, OpenBlob } from './blob-store.ts';
import { BlobStream } from './blob-stream.ts';
import { checkMarker, placeOf, syncFolder, type BlobPlace } from './directory-layout.ts';
import { listDirectory } from './directory-list.ts';
import type { DiskCalls } from './disk-calls.ts';
import { fromDisk, isAbsent } from './disk-errors.ts';
import { FileReader } from './file-reader.ts';
import { Spool } from './spool.ts';

/** Of the whole put. Each of its calls to the disk has a deadline of its own. */
const PUT_TIMEOUT_MS = 60_000;
/** A delete removes empty folders, and a put makes them. Both again and again is no accident. */
const MAX_ATTEMPTS = 20;
/**
 * So many folders below the root stay when they are empty: `images`, and that of the first two characters.
 * Then they need not be made durable again and again.
 */
const PERMANENT = 2;
const MAX_DURABLE = 20_000;
const CLEANING_MS = 15 * 60_000;

/**
 * Blobs as files of a directory, which several processes and machines may share. A blob is written to the
 * spool, or is a file already; it is made durable, and renamed. So under its name it is always whole.
 */
export class DirectoryStore implements BlobStore {
  readonly name = BLOB_STORE;
  readonly #root: string;
  readonly #disk: DiskCalls;
  readonly #spool: Spool;
  readonly #durable = new Set<string>();
  #cleanedMs = -Infinity;

  /** It reads and writes nothing yet. */
  constructor(root: string, disk: DiskCalls) {
    this.#root = root;
    this.#disk = disk;
    this.#spool = new Spool(root, disk);
  }

  async put(name: string, content: BlobContent): Promise<void> {
    const place = placeOf(this.#root, name);
    try {
      await checkMarker(this.#root, this.#disk);
      await withDeadline('put', PUT_TIMEOUT_MS, async (signal) => this.#put(place, content, signal));
    } catch (error) {
      if (error instanceof DeadlineError)
        throw new StoreUnavailableError(BLOB_STORE, 'its disk is too slow', error);
      if (isAbsent(error)) await checkMarker(this.#root, this.#disk);
      throw fromDisk('put', error);
    }
    this.#cleanNowAndThen();
  }

  async get(name: string, range?: ByteRange, known?: number): Promise<OpenBlob | undefined> {
    const { file } = placeOf(this.#root, name);
    const handle = await this.#find(
      'open a blob',
      async () => open(file, 'r'),
      async (late) => late.close(),
    );
    if (handle === undefined) return undefined;
    let reader: FileReader | undefined;
    try {
      const bytes = known ?? (await this.#lengthOf(handle));
      if (bytes === undefined) return undefined;
      const { first, last } = range ?? { first: 0, last: bytes - 1 };
      if (last >= bytes) throw new DamagedBlobError(name, `it has ${bytes} bytes only`);
      if (first < 0 || first > last + 1) throw new RangeError(`no range of bytes: ${first} to ${last}`);
      const opened = new FileReader({
        name,
        handle,
        first,
        last,
        isEnd: last + 1 === bytes,
        disk: this.#disk,
      });
      reader = opened;
      const stream = new BlobStream(name, last + 1 - first, opened);
      const readInto = async (target: Buffer): Promise<void> => {
        try {
          await opened.readInto(target);
        } finally {
          stream.destroy();
        }
      };
      return { bytes, stream, readInto };
    } catch (error) {
      throw fromDisk('open a blob', error);
    } finally {
      if (reader === undefined) await this.#disk.close(handle);
    }
  }

  async stat(name: string): Promise<BlobStat | undefined> {
    const { file } = placeOf(this.#root, name);
    const found = await this.#find('look at a blob', async () => stat(file));
    if (found?.isFile() !== true) return undefined;
    return { name, bytes: found.size, storedAt: found.mtime };
  }

  async delete(name: string): Promise<void> {
    const { folders, file } = placeOf(this.#root, name);
    const isGone = await this.#find('remove a blob', async () => removeFile(file));
    if (isGone === undefined) return;
    for (const folder of folders.slice(1 + PERMANENT).toReversed()) {
      const isEmpty = await this.#disk
        .do('remove an empty folder', async () => rmdir(folder))
        .then(() => true)
        .catch(() => false);
      if (!isEmpty) return;
    }
  }

  async *list(prefix: string, after?: string): AsyncGenerator<BlobStat> {
    checkPrefix(prefix);
    try {
      await checkMarker(this.#root, this.#disk);
      yield* listDirectory(this.#root, { prefix, after }, this.#disk);
      // A disk that is unmounted meanwhile looks as if all other blobs were gone.
      await checkMarker(this.#root, this.#disk);
    } catch (error) {
      throw fromDisk('list', error);
    }
  }

  async checkWrites(): Promise<void> {
    try {
      await checkMarker(this.#root, this.#disk);
      await this.#spool.checkWrites();
    } catch (error) {
      throw fromDisk('check', error);
    }
  }

  async close(): Promise<void> {
    // There are no connections.
  }

  /** Removes what killed processes left in the spool. @returns how many files */
  async removeLeftovers(nowMs = Date.now()): Promise<number> {
    this.#cleanedMs = performance.now();
    return this.#spool.removeLeftovers(nowMs);
  }

  async #put(place: BlobPlace, content: BlobContent, signal: AbortSignal): Promise<void> {
    if (!(await this.#move(place, content, signal))) await this.#rename(place, content, signal);
    await this.#syncFolders(place.folders);
  }

  /** The file of a content becomes the blob. @returns false: it cannot, or it has gone */
  async #move({ folders, file }: BlobPlace, content: BlobContent, signal: AbortSignal): Promise<boolean> {
    const given = content.file;
    if (given === undefined) return false;
    try {
      await this.#spool.makeDurable(given, content);
      await this.#inFolders(folders, signal, async () => rename(given, file));
    } catch (error) {
      if (isAbsent(error) || cannotMove(error)) return false;
      throw error;
    }
    content.onFileTaken?.();
    return true;
  }

  async #rename({ folders, file }: BlobPlace, content: BlobContent, signal: AbortSignal): Promise<void> {
    const spooled = await this.#spool.take(content, signal);
    try {
      await this.#inFolders(folders, signal, async () => rename(spooled, file));
    } catch (error) {
      await this.#spool.remove(spooled);
      throw error;
    }
  }

  /** Gives a file its name. Others may remove the folders of the name meanwhile. */
  async #inFolders(
    folders: readonly string[],
    signal: AbortSignal,
    name: () => Promise<void>,
  ): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      await this.#makeFolders(folders);
      try {
        signal.throwIfAborted();
        await this.#disk.do('name a blob', name);
        return;
      } catch (error) {
        if (!isAbsent(error) || attempt === MAX_ATTEMPTS) throw error;
        await checkMarker(this.#root, this.#disk);
      }
    }
  }

  /**
   * Another process may have made any of these folders just now. Those that are never removed need it once.
   */
  async #syncFolders(folders: readonly string[]): Promise<void> {
    const permanent = folders.slice(1, 1 + PERMANENT);
    const [first] = permanent;
    if (first !== undefined && !this.#durable.has(first)) await this.#syncAllIn(first);
    const unsure = folders.filter((_, depth) => {
      const inside = folders[depth + 1];
      return inside === undefined || !permanent.includes(inside) || !this.#durable.has(inside);
    });
    await Promise.all(unsure.map(async (folder) => this.#syncFolder(folder)));
    if (this.#durable.size > MAX_DURABLE) this.#durable.clear();
    for (const folder of permanent) this.#durable.add(folder);
  }

  /** With one call for all folders of a first character that there are, instead of one for each. */
  async #syncAllIn(first: string): Promise<void> {
    const names = await this.#disk
      .do('read a folder', async () => readdir(first))
      .catch((error: unknown) => {
        if (!isAbsent(error)) throw error;
        return [];
      });
    await Promise.all([this.#root, first].map(async (folder) => this.#syncFolder(folder)));
    for (const folder of [first, ...names.map((name) => join(first, name))]) this.#durable.add(folder);
  }

  async #syncFolder(folder: string): Promise<void> {
    try {
      await syncFolder(folder, this.#disk);
    } catch (error) {
      // The blob was deleted already, with its folder; or the disk is gone.
      if (!isAbsent(error)) throw error;
      await checkMarker(this.#root, this.#disk);
    }
  }

  /** Makes the missing ones, never the root. */
  async #makeFolders(folders: readonly string[]): Promise<void> {
    let missing = folders.length - 1;
    for (let attempt = 0; missing < folders.length && attempt < MAX_ATTEMPTS * folders.length; attempt++) {
      const folder = folders[Math.max(1, missing)];
      if (folder === undefined) return;
      try {
        await this.#disk.do('make a folder', async () => mkdir(folder, 0o700));
        this.#durable.delete(folder);
        missing += 1;
      } catch (error) {
        if (codeOf(error) === 'EEXIST') missing += 1;
        else if (codeOf(error) === 'ENOENT' && missing > 1) missing -= 1;
        else if (codeOf(error) === 'ENOENT') return checkMarker(this.#root, this.#disk);
        else throw error;
      }
    }
  }

  /** Undefined for what is absent, in a directory that is there. */
  async #find<T>(step: string, call: () => Promise<T>, drop?: (late: T) => unknown): Promise<T | undefined> {
    try {
      return await this.#disk.do(step, call, drop);
    } catch (error) {
      if (!isAbsent(error)) throw fromDisk(step, error);
      await checkMarker(this.#root, this.#disk);
      return undefined;
    }
  }

  /** Undefined: it is a folder, so there is no blob. */
  async #lengthOf(handle: FileHandle): Promise<number | undefined> {
    const found = await this.#disk.do('look at a blob', async () => handle.stat());
    return found.isFile() ? found.size : undefined;
  }

  #cleanNowAndThen(): void {
    if (performance.now() - this.#cleanedMs < CLEANING_MS) return;
    // What is left stays for the next time.
    this.removeLeftovers().catch(() => undefined);
  }
}

/** To this file system from another one, or at all. */
function cannotMove(error: unknown): boolean {
  return ['EXDEV', 'EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP'].includes(codeOf(error));
}

/** @returns undefined: the path is a folder, so there is no blob */
async function removeFile(path: string): Promise<true | undefined> {
  try {
    await unlink(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EISDIR') return undefined;
    throw error;
  }
}
