import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { KeymillError } from '../../runtime/errors.ts';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { findStartTime } from '../../scripts/servers/identity.ts';

/** Beside `.run`, so that benches measure the disk a cluster would use; `/tmp` may be memory. */
const BENCH_DIR = join(REPOSITORY, '.run-bench');
const GIB = 2 ** 30;

/**
 * A new folder for the data of one bench. What a bench that was killed left behind goes first.
 * @throws KeymillError when the disk has not `neededGib` to spare
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

/** Servers of a killed bench died with it; a cluster of its own did not. */
async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(BENCH_DIR)) {
    const pid = Number(/^(\d+)-/.exec(name)?.[1]);
    if (findStartTime(pid) !== undefined) continue;
    const dir = join(BENCH_DIR, name);
    if (existsSync(join(dir, 'state.json'))) await takeDown(dir);
    await rm(dir, { recursive: true, force: true });
  }
}

/** `./scripts/down --wipe` for the cluster in `dir`. */
export async function takeDown(dir: string): Promise<void> {
  const env = { ...process.env, KEYMILL_RUN_DIR: dir };
  await promisify(execFile)(join(REPOSITORY, 'scripts/down'), ['--wipe'], { env });
}
