import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, statfs, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { KeymillError } from '../../runtime/errors.ts';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { findStartTime } from '../../scripts/servers/identity.ts';
import { programOf, WORK_TREE, type Product } from './product.ts';

/** Beside `.run`, so that benches measure the disk a cluster would use; `/tmp` may be memory. */
const BENCH_DIR = join(REPOSITORY, '.run-bench');
const GIB = 2 ** 30;
/** In a cluster's folder: a link to its product. Another commit may describe its processes otherwise. */
const PRODUCT_LINK = 'product';

/**
 * Makes a new folder for the data of one bench, and removes the folders of benches that were killed.
 * @throws KeymillError when the disk has less than `neededGib` free
 */
export async function makeBenchDir(neededGib: number): Promise<string> {
  await mkdir(BENCH_DIR, { recursive: true, mode: 0o700 });
  await removeLeftovers();
  const { bavail, bsize } = await statfs(BENCH_DIR);
  const freeGib = (bavail * bsize) / GIB;
  if (freeGib < neededGib) {
    throw new KeymillError(
      'NO_SPACE',
      `${BENCH_DIR} has ${freeGib.toFixed(1)} GiB free, this bench needs ${neededGib}`,
    );
  }
  return mkdtemp(join(BENCH_DIR, `${process.pid}-`));
}

/** A new folder for a cluster that `product` runs. */
export async function makeClusterDir(product: Product, neededGib: number): Promise<string> {
  const dir = await makeBenchDir(neededGib);
  await symlink(product.root, join(dir, PRODUCT_LINK));
  return dir;
}

/**
 * Private servers of a killed bench died with it; its clusters did not. They are stopped first, since the
 * product that stops a cluster may itself be in one of the folders.
 */
async function removeLeftovers(): Promise<void> {
  const names = await readdir(BENCH_DIR);
  const left = names.filter((name) => findStartTime(Number(/^(\d+)-/.exec(name)?.[1])) === undefined);
  const dirs = left.map((name) => join(BENCH_DIR, name));
  for (const dir of dirs) await takeDown(dir);
  for (const dir of dirs) await rm(dir, { recursive: true, force: true });
}

/** `./scripts/down --wipe` of the cluster's product, if there is a cluster in `dir`. */
async function takeDown(dir: string): Promise<void> {
  if (!existsSync(join(dir, 'state.json'))) return;
  const own = programOf({ ...WORK_TREE, root: join(dir, PRODUCT_LINK) }, 'down');
  const down = existsSync(own) ? own : programOf(WORK_TREE, 'down');
  await promisify(execFile)(down, ['--wipe'], { env: { ...process.env, KEYMILL_RUN_DIR: dir } });
}

/** Stops the cluster in `dir`, if there is one, and removes the folder. */
export async function removeBenchDir(dir: string): Promise<void> {
  await takeDown(dir);
  await rm(dir, { recursive: true, force: true });
}
