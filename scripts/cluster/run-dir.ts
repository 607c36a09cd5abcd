import { chmodSync, existsSync, mkdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ClusterError } from './errors.ts';

export const REPOSITORY = resolve(import.meta.dirname, '../..');

/**
 * Where one cluster keeps everything: `.run` in the repository, or what `KEYMILL_RUN_DIR` says (tests and drills run their own
 * clusters side by side).
 *
 *     cluster.json   what runs where, for others; there only while the cluster is ready
 *     state.json     passwords, ports, shape and process ids: ours alone
 *     key-secret     the secret that shuffles the key space; never changes
 *     logs/<id>.log  data/<id>/
 *
 * In `.run` the launchers keep what helps every cluster of this repository: compile-cache/ (bootstrap.sh) and install.log.
 */
export class RunDir {
  readonly path: string;

  constructor(path: string = process.env['KEYMILL_RUN_DIR'] ?? '') {
    this.path = path === '' ? join(REPOSITORY, '.run') : resolve(path);
  }

  get clusterFile(): string {
    return join(this.path, 'cluster.json');
  }

  get stateFile(): string {
    return join(this.path, 'state.json');
  }

  get keySecretFile(): string {
    return join(this.path, 'key-secret');
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

  logOf(id: string): string {
    return join(this.logs, `${id}.log`);
  }

  /** Deletes what `up` made here, and the folder if nothing else is in it: the folder may be one that somebody named by mistake. */
  wipe(): void {
    const compileCache = join(this.path, 'compile-cache');
    for (const path of [
      this.clusterFile,
      this.data,
      this.logs,
      this.keySecretFile,
      this.stateFile,
      compileCache,
    ])
      rmSync(path, { recursive: true, force: true });
    try {
      rmdirSync(this.path);
    } catch {
      // Something else is in it.
    }
  }

  /** Makes the folders; only their owner may enter, for they hold secrets and data. */
  make(): void {
    try {
      // Not recursive where that is not needed: below /proc a recursive mkdir never ends.
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

/** Writes a file in one step (a reader sees the old or the new one, whole), readable for its owner only. */
export function writePrivateFile(path: string, text: string): void {
  const fresh = `${path}.${process.pid}.new`;
  writeFileSync(fresh, text, { mode: 0o600 });
  renameSync(fresh, path);
}
