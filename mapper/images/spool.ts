import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rm, stat, type FileHandle } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Problem } from '../http/problem.ts';
import type { PictureSource } from '../pictures/picture.ts';

/** After this nobody works with a file of a spool any more, whoever has made it. */
const OUTDATED_MS = 3_600_000;

/**
 * `<host>.<process id>.<when it began>.<random>`: the folder of a process. The id means something on its host
 * only, and a later process may have the same one.
 */
const FOLDER = /^(?<host>.+)\.(?<pid>\d+)\.(?<begun>\d+)\.[0-9a-f]{16}$/;
const BEGUN = String(Math.round(performance.timeOrigin));

/** Files for the time of one upload. What a process leaves behind when it is killed, a later one removes. */
export class Spool implements AsyncDisposable {
  readonly #folder: string;
  #count = 0;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Opens a spool of its own for this process, and removes what others have left.
   * @param parent a folder for the spools of all processes; it is made if it is not there
   * @throws the error of the file system
   */
  static async open(parent: string): Promise<Spool> {
    await mkdir(parent, { recursive: true, mode: 0o700 });
    await removeLeftOvers(parent);
    const id = randomBytes(8).toString('hex');
    const folder = join(parent, `${hostname()}.${process.pid}.${BEGUN}.${id}`);
    await mkdir(folder, { mode: 0o700 });
    return new Spool(folder);
  }

  /**
   * A new, empty file. Dispose of it: that removes it, unless somebody has taken it away.
   * @throws Problem 503
   */
  async create(): Promise<SpoolFile> {
    this.#count += 1;
    const path = join(this.#folder, String(this.#count));
    return orNoRoom(async () => {
      // A process on another host may have removed the folder, if no upload came for a long time.
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      return new SpoolFile(path, await open(path, 'wx+', 0o600));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** A file that is written from its beginning to its end, and then read at any place. */
export class SpoolFile implements PictureSource, AsyncDisposable {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #hash = createHash('sha256');
  #bytes = 0;
  #digest: string | undefined;

  constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
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
        this.#handle.write(piece, from, piece.length - from, this.#bytes),
      );
      at += bytesWritten;
      this.#bytes += bytesWritten;
    }
  }

  async read(position: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(length, this.#bytes - position)));
    let filled = 0;
    while (filled < buffer.length) {
      const { bytesRead } = await this.#handle.read(
        buffer,
        filled,
        buffer.length - filled,
        position + filled,
      );
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  }

  /** All of it, from the first byte. */
  stream(): Readable {
    return createReadStream(this.path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
    await rm(this.path, { force: true });
  }
}

async function orNoRoom<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new Problem('store-down', { detail: 'There is no room for pictures just now.', cause });
  }
}

/** Removes the folders of processes that have ended, and of those that are silent for too long. */
async function removeLeftOvers(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const { host, pid, begun } = FOLDER.exec(name)?.groups ?? {};
    if (host === undefined) continue;
    const folder = join(parent, name);
    const hasEnded = host === hostname() && !isRunning(Number(pid), begun);
    if (hasEnded || (await isOutdated(folder))) await rm(folder, { recursive: true, force: true });
  }
}

function isRunning(pid: number, begun: string | undefined): boolean {
  if (pid === process.pid) return begun === BEGUN;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The time of a folder changes with each file that is made in it. A process without uploads makes none. */
async function isOutdated(folder: string): Promise<boolean> {
  const found = await stat(folder).catch(() => undefined);
  return found !== undefined && found.mtimeMs < Date.now() - OUTDATED_MS && (await isEmptyOrOld(folder));
}

async function isEmptyOrOld(folder: string): Promise<boolean> {
  for (const name of await readdir(folder).catch(() => [])) {
    const file = await stat(join(folder, name)).catch(() => undefined);
    if (file !== undefined && file.mtimeMs >= Date.now() - OUTDATED_MS) return false;
  }
  return true;
}
