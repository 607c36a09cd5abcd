import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { waitUntilGone, type ProcessIdentity } from '../../scripts/servers/identity.ts';
import { withRedis } from '../cluster/redis.ts';
import type { DrillRun } from '../run/drill-run.ts';
import type { Drill } from '../run/drill.ts';

const DEATH_TIMEOUT_MS = 30_000;
const FAULT_MS = 5_000;

/** From now on the kernel refuses memory to the process. */
async function refuseMemory({ pid }: ProcessIdentity): Promise<void> {
  const limits = ['--as=1048576:1048576', '--data=1048576:1048576'];
  await promisify(execFile)('prlimit', ['--pid', String(pid), ...limits]);
}

/** Refuses memory to a process, and waits until it dies or 30 s have passed. */
async function starve(run: DrillRun, what: string, victim: ProcessIdentity): Promise<void> {
  const end = run.beginFault(`the kernel refuses memory to ${what} (process ${victim.pid})`);
  await refuseMemory(victim);
  // A process that can do without more memory passes too.
  const died = await waitUntilGone(victim, DEATH_TIMEOUT_MS);
  run.event(died ? `${what} died` : `${what} still runs`);
  end();
}

async function starveWorker(run: DrillRun): Promise<void> {
  const { producer } = run.pickHolder();
  await starve(run, `${producer}'s worker`, await run.cluster.workerOf(producer));
}

async function starveMapper(run: DrillRun): Promise<void> {
  const { cluster } = run;
  const { id } = run.pick(cluster.file.mappers);
  run.undoLater('restart', async () => {
    // A mapper that still runs, without memory, must be replaced too.
    await cluster.kill(id).catch(() => cluster.expectDeath(id));
    await cluster.startMissing();
  });
  await starve(run, id, cluster.identityOf(id));
}

async function limitRedis(run: DrillRun): Promise<void> {
  const server = run.pick(run.cluster.file.redis);
  const setLimit = async (bytes: string): Promise<void> =>
    withRedis(server, async (redis) => void (await redis.command('CONFIG', ['SET', 'maxmemory', bytes])));
  run.undoLater('memory', async () => setLimit('0'));
  const end = run.beginFault(`maxmemory of ${server.name} is 1 MB, less than it uses`);
  await setLimit('1mb');
  await run.pause(FAULT_MS);
  await run.undo('memory');
  end();
}

export const oom: Drill = {
  name: 'oom',
  does:
    'Refuses memory to a worker, then to a mapper, then to a Redis (by maxmemory). A process that dies is ' +
    'replaced, and no acknowledged link is lost.',
  needs: [],
  rounds: 1,
  parts: ['worker', 'mapper', 'redis'],
  round: async (run, part) => {
    if (part === 'worker') await starveWorker(run);
    else if (part === 'mapper') await starveMapper(run);
    else await limitRedis(run);
  },
};
