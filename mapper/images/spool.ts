import { randomBytes } from 'node:crypto';
import { lstat, mkdir, open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../runtime/log.ts';
import { codeOf } from '../../runtime/errors.ts';
import { folderName, removeLeftOvers } from './left-over-spools.ts';
import { SharedTurn } from './shared-turn.ts';
import { SpoolBuffers } from './spool-buffers.ts';
import { orNoRoom, SpoolFile, type SpoolDisk } from './spool-file.ts';

export interface SpoolOptions {
  /** Has the folders of all processes. It is made, but not what it is in. */
  readonly parent: string;
  /** In a folder where everybody may write: the parent is used only if nobody else made it, or may. */
  readonly isAmongOthers?: boolean | undefined;
  /** The calls to the disk, each with a deadline. */
  readonly disk: SpoolDisk;
  readonly log: Log;
}

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
