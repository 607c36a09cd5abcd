import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { DrillRun } from '../run/drill-run.ts';
import type { Drill } from '../run/drill.ts';

const execute = promisify(execFile);
const FULL_MS = 10_000;
const REDIS_DISK = '64m';
const URLS_DISK = '1400m';
const FILLER = 'drill-filler';

/** Moves the data of a server to a small disk in memory, until `undo('disk')`. */
async function moveToSmallDisk(run: DrillRun, name: string, size: string): Promise<void> {
  const { cluster } = run;
  const folder = cluster.runDir.dataOf(name);
  const aside = `${folder}.drill`;
  run.undoLater('disk', async () => {
    await cluster.kill(name, 'SIGTERM').catch(() => undefined);
    await execute('rm', ['-rf', join(folder, FILLER)]);
    await execute('rm', ['-rf', aside]);
    await execute('cp', ['-a', folder, aside]);
    await execute('umount', [folder]);
    await execute('rm', ['-rf', folder]);
    await execute('mv', [aside, folder]);
    await cluster.startMissing();
  });
  run.event(`${name} is moved to a small disk`);
  await cluster.kill(name, 'SIGTERM');
  await execute('mv', [folder, aside]);
  await execute('mkdir', ['-m', '700', folder]);
  await execute('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder]);
  // Not sparse, so that a redo log has its blocks before the disk is full.
  await execute('cp', ['-a', '--sparse=never', `${aside}/.`, folder]);
  await execute('rm', ['-rf', aside]);
  await cluster.startMissing();
  await run.untilQuiesced();
}

/** Fills the disk for 10 s, frees it, and starts the server again if it ended. */
async function fillDisk(run: DrillRun, name: string): Promise<void> {
  const { cluster } = run;
  const filler = join(cluster.runDir.dataOf(name), FILLER);
  const end = run.beginFault(`the disk of ${name} is full`);
  // dd fails when the disk is full.
  await execute('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k']).catch(() => undefined);
  await run.pause(FULL_MS);
  end();
  run.event(`the disk of ${name} has space again`);
  await rm(filler);
  // An operator would start a server that ended.
  cluster.expectDeath(name);
  await cluster.startMissing();
  await run.pause(2_000);
  await run.untilQuiesced();
}

export const diskFull: Drill = {
  name: 'disk-full',
  does:
    'Fills the disk of a Redis, then of a urls server. They refuse writes, and no acknowledged link is ' +
    'lost.',
  needs: ['root'],
  rounds: 1,
  parts: ['redis', 'urls'],
  isDestructive: true,
  round: async (run, part) => {
    const { redis, mysql } = run.cluster.file;
    const urls = mysql.filter(({ name }) => name.startsWith('urls-'));
    const { name } = run.pick<{ readonly name: string }>(part === 'redis' ? redis : urls);
    await moveToSmallDisk(run, name, part === 'redis' ? REDIS_DISK : URLS_DISK);
    await fillDisk(run, name);
    await run.undo('disk');
  },
};
