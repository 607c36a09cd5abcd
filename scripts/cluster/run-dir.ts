import {
  chmodSync,
  existsSync,
  mkdirSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { ClusterError } from './errors.ts';

export const REPOSITORY = resolve(import.meta.dirname, '../..');

/** Identifies a folder: by its path, and by its file system and inode there. */
export const FolderIdentity = z.object({ path: z.string(), inode: z.string() }).readonly();
export type FolderIdentity = z.infer<typeof FolderIdentity>;

/**
 * Whether a file that names the folder it was written in has come into another folder as a copy (`cp -a`).
 * The process ids in it then belong to the cluster of the original. A folder that was moved keeps its inode,
 * and one that was restored from a backup keeps its path.
 */
export function isCopy(writtenIn: FolderIdentity | undefined, now: FolderIdentity): boolean {
  return writtenIn !== undefined && writtenIn.path !== now.path && writtenIn.inode !== now.inode;
}

/**
 * The folder of one cluster: `.run` in the repository, or `KEYMILL_RUN_DIR`. Tests and drills use folders of
 * their own.
 *
 *     cluster.json   where each part runs, for other programs; exists only while the cluster is ready
 *     state.json     passwords, ports, shape and process ids, only for `up` and `down`
 *     service.json   the settings of its service, for those who start parts from a shell
 *     secrets/       only of a cluster in containers, which reads them
 *     key-secret     the secret that shuffles the key space; never changes
 *     logs/<id>.log  and its older part, logs/<id>.log.1 (see log-keeper-main.ts)
 *     data/<id>/
 *     data/blobs/    the bytes of images
 *
 * In `.run` the launchers also keep compile-cache/, nginx/ (see bootstrap.sh) and install.log, for all
 * clusters of the repository.
 */
export class RunDir {
  readonly path: string;

  constructor(path: string = process.env['KEYMILL_RUN_DIR'] ?? '') {
    this.path = path === '' ? join(REPOSITORY, '.run') : resolve(path);
  }

  /** @throws Error when the folder does not exist */
  get identity(): FolderIdentity {
    const { dev, ino } = statSync(this.path, { bigint: true });
    return { path: realpathSync(this.path), inode: `${dev}:${ino}` };
  }

  get clusterFile(): string {
    return join(this.path, 'cluster.json');
  }

  get stateFile(): string {
    return join(this.path, 'state.json');
  }

  get serviceFile(): string {
    return join(this.path, 'service.json');
  }

  get keySecretFile(): string {
    return join(this.path, 'key-secret');
  }

  /** The secrets of a cluster in containers, each in a file. */
  get secrets(): string {
    return join(this.path, 'secrets');
  }

  get data(): string {
    return join(this.path, 'data');
  }

  get logs(): string {
    return join(this.path, 'logs');
  }

  dataOf(id: string): string {
    return join(this.data, id);
  }

  /** The bytes of images. */
  get blobs(): string {
    return join(this.data, 'blobs');
  }

  logOf(id: string): string {
    return join(this.logs, `${id}.log`);
  }

  /**
   * Deletes everything that `up` made, and then the folder if it is empty: the user may have named a folder
   * with other files by mistake.
   */
  wipe(): void {
    const compileCache = join(this.path, 'compile-cache');
    for (const path of [
      this.clusterFile,
      this.data,
      this.logs,
      this.keySecretFile,
      this.secrets,
      this.stateFile,
      this.serviceFile,
      compileCache,
    ])
      rmSync(path, { recursive: true, force: true });
    try {
      rmdirSync(this.path);
    } catch {
      // It contains other files.
    }
  }

  /** Makes the folders. Only their owner may enter them, because they contain secrets and data. */
  make(): void {
    try {
      // Recursive only where needed: below /proc a recursive mkdir never ends.
      mkdirSync(dirname(this.path), { recursive: true });
      for (const path of [this.path, this.data, this.logs])
        if (!existsSync(path)) mkdirSync(path, { mode: 0o700 });
      chmodSync(this.path, 0o700);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new ClusterError(
        `cannot write to ${this.path}: ${why}\nSet KEYMILL_RUN_DIR to a folder of your own.`,
      );
    }
  }
}

/**
 * Replaces a file atomically, so that a reader sees all of the old text or all of the new. Only its owner may
 * read it.
 */
export function writePrivateFile(path: string, text: string): void {
  const fresh = `${path}.${process.pid}.new`;
  writeFileSync(fresh, text, { mode: 0o600 });
  renameSync(fresh, path);
}
