import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { waitUntilGone, type ProcessIdentity } from '../../scripts/servers/identity.ts';
import type { Drill } from '../drill.ts';
import { withRedis } from '../stage/redis.ts';
import type { Stage } from '../stage/stage.ts';
import { chooseHolder } from './processes.ts';

/** Drills on what the machine gives: memory, disk, time. */

const run = promisify(execFile);
const OOM_TIMEOUT_MS = 30_000;
const FAULT_MS = 5_000;

/** From now on the process gets no more memory from the kernel. */
async function takeMemory({ pid }: ProcessIdentity): Promise<void> {
  await run('prlimit', ['--pid', String(pid), '--as=1048576:1048576', '--data=1048576:1048576']);
}

async function starve(stage: Stage, what: string, victim: ProcessIdentity): Promise<void> {
  const end = stage.beginFault(`${what} (process ${victim.pid}) gets no more memory`);
  await takeMemory(victim);
  // How soon it asks for more is its own business; one that can do without has passed.
  const died = await waitUntilGone(victim, OOM_TIMEOUT_MS);
  stage.event(died ? `${what} died of it` : `${what} lives on with what it has`);
  end();
}

export const oom: Drill = {
  name: 'oom',
  does: 'memory is refused: to a worker, to a mapper, to a Redis (maxmemory); what dies is replaced, nothing acknowledged is lost',
  needs: [],
  rounds: 1,
  parts: ['worker', 'mapper', 'redis'],
  round: async (stage, part) => {
    const { cluster } = stage;
    if (part === 'worker') {
      const { producer } = chooseHolder(stage);
      return starve(stage, `${producer}'s worker`, await cluster.workerOf(producer));
    }
    if (part === 'mapper') {
      const { id } = stage.pick(cluster.file.mappers);
      stage.undoLater('restart', async () => {
        // One that lives on without memory is no use to anybody.
        await cluster.kill(id).catch(() => cluster.expectDeath(id));
        await cluster.startMissing();
      });
      return starve(stage, id, cluster.identityOf(id));
    }
    const server = stage.pick(cluster.file.redis);
    const limit = async (bytes: string): Promise<void> =>
      withRedis(server, async (redis) => void (await redis.command('CONFIG', ['SET', 'maxmemory', bytes])));
    stage.undoLater('memory', async () => limit('0'));
    const end = stage.beginFault(`${server.name} may use no more memory than it does`);
    await limit('1mb');
    await stage.pause(FAULT_MS);
    await stage.undo('memory');
    end();
  },
};

const FAKETIME = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu']
  .map((folder) => join(folder, 'faketime', 'libfaketime.so.1'))
  .find((path) => existsSync(path));

export function hasFaketime(): boolean {
  return FAKETIME !== undefined;
}

export const clockStep: Drill = {
  name: 'clock-step',
  does: 'the wall clock of a producer and a mapper steps an hour ahead, then back: no reign ends, no request fails',
  needs: ['faketime'],
  rounds: 1,
  round: async (stage) => {
    const { cluster } = stage;
    const { producer } = chooseHolder(stage);
    const { id: mapper } = stage.pick(cluster.file.mappers);
    const folder = await mkdtemp(join(tmpdir(), 'keymill-clock-'));
    const clock = join(folder, 'clock');
    await writeFile(clock, '+0\n');
    stage.undoLater('clock', async () => {
      for (const id of [producer, mapper]) await cluster.kill(id, 'SIGTERM');
      await cluster.startMissing();
      await rm(folder, { recursive: true });
    });
    stage.event(`${producer} and ${mapper} are restarted with a clock of their own`);
    for (const id of [producer, mapper]) await cluster.kill(id, 'SIGTERM');
    const environment = {
      LD_PRELOAD: FAKETIME ?? '',
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_NO_CACHE: '1',
      // A step moves the wall clock alone.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    };
    await cluster.startMissing({ environment });
    await stage.balanced();
    await stage.quiet();
    const before = stage.reignsOf(cluster.shards);
    const end = stage.beginFault('their clock is an hour ahead');
    await writeFile(clock, '+3600\n');
    await stage.pause(FAULT_MS);
    stage.event('their clock is an hour behind');
    await writeFile(clock, '-3600\n');
    await stage.pause(FAULT_MS);
    stage.expectSameReigns(before);
    end();
    await stage.undo('clock');
  },
};

const SMALL_DISK = '1400m';

export const diskFull: Drill = {
  name: 'disk-full',
  does: 'the disk of a Redis, then of a urls server, is full: they refuse writes in plain words, nothing acknowledged is lost',
  needs: ['root'],
  rounds: 1,
  parts: ['redis', 'urls'],
  wears: true,
  round: async (stage, part) => {
    const { cluster } = stage;
    const isRedis = part === 'redis';
    const candidates = isRedis
      ? cluster.file.redis
      : cluster.file.mysql.filter(({ name }) => name.startsWith('urls-'));
    const { name } = stage.pick<{ readonly name: string }>(candidates);
    const folder = cluster.runDir.dataOf(name);
    const aside = `${folder}.drill`;
    stage.undoLater('disk', async () => {
      await cluster.kill(name, 'SIGTERM').catch(() => undefined);
      await run('rm', ['-rf', join(folder, 'drill-filler')]);
      await run('rm', ['-rf', aside]);
      await run('cp', ['-a', folder, aside]);
      await run('umount', [folder]);
      await run('rm', ['-rf', folder]);
      await run('mv', [aside, folder]);
      await cluster.startMissing();
    });
    stage.event(`${name} moves to a small disk`);
    await cluster.kill(name, 'SIGTERM');
    await run('mv', [folder, aside]);
    await run('mkdir', ['-m', '700', folder]);
    await run('mount', ['-t', 'tmpfs', '-o', `size=${isRedis ? '64m' : SMALL_DISK}`, 'tmpfs', folder]);
    // Not sparse: a redo log has its room before the disk is full.
    await run('cp', ['-a', '--sparse=never', `${aside}/.`, folder]);
    await run('rm', ['-rf', aside]);
    await cluster.startMissing();
    await stage.quiet();
    const end = stage.beginFault(`the disk of ${name} is full`);
    await run('dd', ['if=/dev/zero', `of=${join(folder, 'drill-filler')}`, 'bs=64k']).catch(() => undefined);
    await stage.pause(2 * FAULT_MS);
    end();
    stage.event(`the disk of ${name} has room again`);
    await rm(join(folder, 'drill-filler'));
    // A server that gave up is started again, as its operator would.
    cluster.expectDeath(name);
    await cluster.startMissing();
    await stage.pause(2_000);
    await stage.quiet();
    await stage.undo('disk');
  },
};
