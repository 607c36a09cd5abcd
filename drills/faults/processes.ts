import { signalProcess, waitUntilGone } from '../../scripts/servers/identity.ts';
import type { Drill } from '../drill.ts';
import { roles } from '../stage/ensemble.ts';
import { killFor } from '../stage/outage.ts';
import type { Stage } from '../stage/stage.ts';

/** Drills that end, stop or replace our own processes. */

const GONE_TIMEOUT_MS = 20_000;
/** The watch of the drill itself may be attached to it, by a session of 4 s. */
const HUNG_SETTLES_MS = 5_000;
const MAPPER_DOWN_MS = 3_000;

/** A producer that holds something, and what. */
interface Holder {
  readonly producer: string;
  readonly shards: readonly string[];
}

export function chooseHolder(stage: Stage): Holder {
  const [producer, shards] = stage.pick([...stage.holdings()]);
  return { producer, shards };
}

/** Kills a producer's processes at once, and measures how long its shards stay without a ready holder. */
async function killHolder(
  stage: Stage,
  { producer, shards }: Holder,
  which: 'worker' | 'supervisor' | 'supervisor and worker',
): Promise<void> {
  const { cluster } = stage;
  const worker = await cluster.workerOf(producer);
  const before = stage.reignsOf(shards);
  if (which !== 'worker') stage.undoLater('restart', async () => cluster.startMissing());
  const end = stage.beginFault(`kill -9 of ${producer}'s ${which}, which holds ${shards.join(', ')}`);
  const sinceMs = stage.nowMs;
  if (which !== 'worker') cluster.signal(producer, 'SIGKILL');
  if (which !== 'supervisor') signalProcess(worker, 'SIGKILL');
  await stage.takenOver(before, sinceMs);
  end();
  if (which !== 'worker') await cluster.holdPorts(producer);
  if (which === 'supervisor' && !(await waitUntilGone(worker, GONE_TIMEOUT_MS)))
    stage.violation(`the worker of ${producer} runs on without its supervisor`);
}

/** One ZooKeeper server, any, accepts connections and answers nothing; returns when nobody is attached to it any more. */
async function hangOneZooKeeper(stage: Stage): Promise<void> {
  const { leader, followers } = await roles(stage);
  const hung = stage.pick([leader, ...followers]);
  stage.undoLater('zookeeper', () => void stage.cluster.signal(hung, 'SIGCONT'));
  stage.event(`SIGSTOP of ${hung}, ${hung === leader ? 'the leader' : 'a follower'}`);
  stage.cluster.signal(hung, 'SIGSTOP');
  await stage.pause(HUNG_SETTLES_MS);
  await stage.quiet();
}

const HUNG = 'one ZooKeeper server hung';

const workerKill: Drill = {
  name: 'worker-kill',
  does: 'kill -9 of a worker: its supervisor frees the lock at once, another producer holds it and refills; then the same with one ZooKeeper server hung',
  needs: [],
  rounds: 50,
  parts: ['all healthy', HUNG],
  round: async (stage, part) => {
    if (part === HUNG) await hangOneZooKeeper(stage);
    await killHolder(stage, chooseHolder(stage), 'worker');
  },
};

const hostKill: Drill = {
  name: 'host-kill',
  does: 'kill -9 of supervisor and worker: nobody closes the session, so its locks are free after the session timeout',
  needs: [],
  rounds: 20,
  round: async (stage) => killHolder(stage, chooseHolder(stage), 'supervisor and worker'),
};

const supervisorKill: Drill = {
  name: 'supervisor-kill',
  does: 'kill -9 of a supervisor alone: its worker notices, releases everything and exits',
  needs: [],
  rounds: 20,
  round: async (stage) => killHolder(stage, chooseHolder(stage), 'supervisor'),
};

const zombie: Drill = {
  name: 'zombie',
  does: 'SIGSTOP of a worker for longer than the session timeout, then SIGCONT: nothing of its epoch is accepted any more',
  needs: [],
  rounds: 20,
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
  round: async (stage) => {
    const { id } = stage.pick(stage.cluster.file.mappers);
    const before = await stage.audit();
    const bound = stage.limits.reserve * stage.cluster.processesPerMapper + stage.load.inFlight;
    await killFor(stage, [id], MAPPER_DOWN_MS);
    await stage.quiet();
    const after = await stage.audit();
    // Before the quarantine is over nobody has recycled what it held.
    stage.stranded.push({ keys: Math.max(0, after.leaked - before.leaked), bound });
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
