import { signalProcess, waitUntilGone, type ProcessIdentity } from '../../servers/identity.ts';
import type { Drill, Limits } from '../drill.ts';
import { roles } from '../stage/ensemble.ts';
import type { Stage } from '../stage/stage.ts';

/** Drills that end, stop or replace our own processes. */

const GONE_TIMEOUT_MS = 20_000;
/** The watch of the drill itself may be attached to it, by a session of 4 s. */
const HUNG_SETTLES_MS = 5_000;

/** A producer that holds something, and what. */
export function chooseHolder(stage: Stage): { producer: string; shards: string[] } {
  const [producer, shards] = stage.pick([...stage.holdings()]);
  return { producer, shards };
}

/** Until a silent holder's locks are free: the timeout, one look of ZooKeeper, and some time to take them. */
export function silentBound({ sessionTimeoutMs, tickMs }: Limits): number {
  return sessionTimeoutMs + tickMs + 500;
}

/** Kills processes, all at once, and measures how long their shards stay without a ready holder. */
async function killHolder(
  stage: Stage,
  what: string,
  shards: readonly string[],
  victims: readonly ProcessIdentity[],
): Promise<void> {
  const before = stage.reignsOf(shards);
  const end = stage.beginFault(`kill -9 of ${what}, which holds ${shards.join(', ')}`);
  const sinceMs = stage.nowMs;
  for (const victim of victims) signalProcess(victim, 'SIGKILL');
  await stage.takenOver(before, sinceMs);
  end();
}

/** One ZooKeeper server accepts connections and answers nothing; returns when nobody is attached to it any more. */
async function hangFollower(stage: Stage): Promise<void> {
  const { followers } = await roles(stage);
  const follower = stage.pick(followers);
  stage.undoLater('follower', () => void stage.cluster.signal(follower, 'SIGCONT'));
  stage.event(`SIGSTOP of ${follower}`);
  stage.cluster.signal(follower, 'SIGSTOP');
  await stage.pause(HUNG_SETTLES_MS);
  await stage.quiet();
}

const workerKill: Drill = {
  name: 'worker-kill',
  does: 'kill -9 of a worker: its supervisor frees the lock at once, another producer holds it and refills; every fifth round with one ZooKeeper server hung',
  needs: [],
  rounds: 50,
  goals: () => ({ failedShortens: 0, failedRedirects: 0, unownedP50Ms: 50, unownedMaxMs: 500 }),
  round: async (stage, round) => {
    if (round % 5 === 0) await hangFollower(stage);
    const { producer, shards } = chooseHolder(stage);
    await killHolder(stage, `${producer}'s worker`, shards, [await stage.cluster.workerOf(producer)]);
  },
};

const hostKill: Drill = {
  name: 'host-kill',
  does: 'kill -9 of supervisor and worker: nobody closes the session, so its locks are free after the session timeout',
  needs: [],
  rounds: 20,
  goals: (limits) => ({
    failedShortens: 0,
    failedRedirects: 0,
    unownedMaxMs: silentBound(limits),
    deadMaxMs: silentBound(limits),
  }),
  round: async (stage) => {
    const { cluster } = stage;
    const { producer, shards } = chooseHolder(stage);
    const supervisor = cluster.identityOf(producer);
    stage.undoLater('restart', async () => cluster.startMissing());
    await killHolder(stage, `${producer}, supervisor and worker`, shards, [
      supervisor,
      await cluster.workerOf(producer),
    ]);
    await cluster.holdPorts(producer);
    stage.event(`${producer} is started again`);
  },
};

const supervisorKill: Drill = {
  name: 'supervisor-kill',
  does: 'kill -9 of a supervisor alone: its worker notices, releases everything and exits',
  needs: [],
  rounds: 20,
  goals: () => ({ failedShortens: 0, failedRedirects: 0, unownedMaxMs: 500, deadMaxMs: 1_000 }),
  round: async (stage) => {
    const { cluster } = stage;
    const { producer, shards } = chooseHolder(stage);
    const worker = await cluster.workerOf(producer);
    stage.undoLater('restart', async () => cluster.startMissing());
    await killHolder(stage, `${producer}'s supervisor`, shards, [cluster.identityOf(producer)]);
    if (!(await waitUntilGone(worker, GONE_TIMEOUT_MS)))
      stage.violation(`the worker of ${producer} runs on without its supervisor`);
  },
};

const zombie: Drill = {
  name: 'zombie',
  does: 'SIGSTOP of a worker for longer than the session timeout, then SIGCONT: nothing of its epoch is accepted any more',
  needs: [],
  rounds: 20,
  goals: (limits) => ({
    failedShortens: 0,
    failedRedirects: 0,
    unownedMaxMs: silentBound(limits),
    deadMaxMs: silentBound(limits),
  }),
  round: async (stage) => {
    const { producer, shards } = chooseHolder(stage);
    const worker = await stage.cluster.workerOf(producer);
    const before = stage.reignsOf(shards);
    stage.undoLater('continue', () => void signalProcess(worker, 'SIGCONT'));
    const end = stage.beginFault(`SIGSTOP of ${producer}'s worker, which holds ${shards.join(', ')}`);
    const sinceMs = stage.nowMs;
    signalProcess(worker, 'SIGSTOP');
    await stage.takenOver(before, sinceMs);
    // It must not be in the middle of anything that the new reign has not yet passed.
    await stage.pause(500);
    stage.event(`SIGCONT of ${producer}'s worker`);
    await stage.undo('continue');
    end();
    await stage.pause(1_000);
  },
};

const loopStall: Drill = {
  name: 'loop-stall',
  does: 'a worker does not run for half the session timeout: it suspends itself and goes on under the same epoch',
  needs: [],
  rounds: 5,
  goals: () => ({ failedShortens: 0, failedRedirects: 0, unownedMaxMs: 0 }),
  round: async (stage) => {
    const { producer, shards } = chooseHolder(stage);
    const worker = await stage.cluster.workerOf(producer);
    const before = stage.reignsOf(shards);
    stage.undoLater('continue', () => void signalProcess(worker, 'SIGCONT'));
    const end = stage.beginFault(
      `${producer}'s worker is stopped for ${stage.limits.sessionTimeoutMs / 2} ms`,
    );
    signalProcess(worker, 'SIGSTOP');
    await stage.pause(stage.limits.sessionTimeoutMs / 2);
    await stage.undo('continue');
    end();
    await stage.pause(1_000);
    stage.expectSameReigns(before);
  },
};

const graceful: Drill = {
  name: 'graceful',
  does: 'SIGTERM to a producer: it finishes its deliveries and closes its session; its shards move in milliseconds',
  needs: [],
  rounds: 20,
  goals: () => ({ failedShortens: 0, failedRedirects: 0, unownedP50Ms: 50, unownedMaxMs: 300 }),
  round: async (stage) => {
    const { cluster } = stage;
    const { producer, shards } = chooseHolder(stage);
    const before = stage.reignsOf(shards);
    stage.undoLater('restart', async () => cluster.startMissing());
    const end = stage.beginFault(`SIGTERM to ${producer}, which holds ${shards.join(', ')}`);
    const sinceMs = stage.nowMs;
    const identity = cluster.signal(producer, 'SIGTERM');
    await stage.takenOver(before, sinceMs);
    end();
    if (!(await waitUntilGone(identity, GONE_TIMEOUT_MS))) stage.violation(`${producer} does not end`);
  },
};

const rolling: Drill = {
  name: 'rolling',
  does: 'every producer and every mapper is restarted, one after another: no request of any kind fails',
  needs: [],
  rounds: 1,
  goals: () => ({ failedShortens: 0, failedRedirects: 0, unownedP50Ms: 50, unownedMaxMs: 300 }),
  round: async (stage) => {
    const { cluster } = stage;
    const { producers, mappers } = cluster.file;
    for (const { id } of [...producers, ...mappers]) {
      stage.undoLater('restart', async () => cluster.startMissing());
      const end = stage.beginFault(`restart of ${id}`);
      await cluster.kill(id, 'SIGTERM');
      await stage.undo('restart');
      await stage.quiet();
      end();
    }
  },
};

const mapperKill: Drill = {
  name: 'mapper-kill',
  does: 'kill -9 of a mapper: nothing acknowledged is lost, and what it held of keys is recycled',
  needs: [],
  rounds: 5,
  goals: () => ({ failedRedirects: 0, unavailableMs: 1_000, ackedShare: 0.999 }),
  round: async (stage) => {
    const { cluster } = stage;
    const { id } = stage.pick(cluster.file.mappers);
    stage.undoLater('restart', async () => cluster.startMissing());
    const end = stage.beginFault(`kill -9 of ${id}`);
    await cluster.kill(id);
    await stage.pause(3_000);
    stage.event(`${id} is started again`);
    await stage.undo('restart');
    end();
  },
};

export const PROCESS_DRILLS: readonly Drill[] = [
  workerKill,
  hostKill,
  supervisorKill,
  zombie,
  loopStall,
  graceful,
  rolling,
  mapperKill,
];
