import { signalProcess, waitUntilGone } from '../../scripts/servers/identity.ts';
import { getAudit } from '../cluster/audit.ts';
import { getRoles } from '../cluster/ensemble.ts';
import type { DrillRun, Holder } from '../run/drill-run.ts';
import type { Drill } from '../run/drill.ts';
import { killFor } from '../run/outage.ts';

/** Drills that kill, stop or restart our own processes. */

const GONE_TIMEOUT_MS = 20_000;
/** The session of our own watch may be attached to the hung server, and its timeout is 4 s. */
const DETACH_MS = 5_000;
const MAPPER_DOWN_MS = 3_000;

/** Kills processes of a producer together, and measures how long its shards stay without a ready holder. */
async function killHolder(
  run: DrillRun,
  { producer, shards }: Holder,
  which: 'worker' | 'supervisor' | 'supervisor and worker',
): Promise<void> {
  const { cluster } = run;
  const worker = await cluster.workerOf(producer);
  const before = run.reigns.of(shards);
  if (which !== 'worker') run.undoLater('restart', async () => cluster.startMissing());
  const end = run.beginFault(`kill -9 of ${producer}'s ${which}, which holds ${shards.join(', ')}`);
  const sinceMs = run.nowMs;
  if (which !== 'worker') cluster.signal(producer, 'SIGKILL');
  if (which !== 'supervisor') signalProcess(worker, 'SIGKILL');
  await run.reigns.untilTakenOver(before, sinceMs);
  end();
  if (which !== 'worker') await cluster.holdPorts(producer);
  if (which === 'supervisor' && !(await waitUntilGone(worker, GONE_TIMEOUT_MS)))
    run.violation(`the worker of ${producer} still runs without its supervisor`);
}

/** Stops a ZooKeeper server: it does not answer any more. Waits until no session is attached to it. */
async function hangOneZooKeeper(run: DrillRun): Promise<void> {
  const { leader, followers } = await getRoles(run.cluster);
  const hung = run.pick([leader, ...followers]);
  run.undoLater('zookeeper', () => void run.cluster.signal(hung, 'SIGCONT'));
  run.event(`SIGSTOP of ${hung}, ${hung === leader ? 'the leader' : 'a follower'}`);
  run.cluster.signal(hung, 'SIGSTOP');
  await run.pause(DETACH_MS);
  await run.untilQuiesced();
}

const HUNG = 'one ZooKeeper server hung';

const workerKill: Drill = {
  name: 'worker-kill',
  does:
    'kill -9 of a worker. Its supervisor frees the locks immediately, and another producer takes them and ' +
    'refills. Then the same with one ZooKeeper server hung.',
  needs: [],
  rounds: 50,
  parts: ['all healthy', HUNG],
  round: async (run, part) => {
    if (part === HUNG) await hangOneZooKeeper(run);
    await killHolder(run, run.pickHolder(), 'worker');
  },
};

const hostKill: Drill = {
  name: 'host-kill',
  does:
    'kill -9 of supervisor and worker. No process closes the session, so its locks are free after the ' +
    'session timeout.',
  needs: [],
  rounds: 20,
  round: async (run) => killHolder(run, run.pickHolder(), 'supervisor and worker'),
};

const supervisorKill: Drill = {
  name: 'supervisor-kill',
  does: 'kill -9 of a supervisor alone. Its worker notices, releases its locks and exits.',
  needs: [],
  rounds: 20,
  round: async (run) => killHolder(run, run.pickHolder(), 'supervisor'),
};

const zombie: Drill = {
  name: 'zombie',
  does:
    'SIGSTOP of a worker for longer than the session timeout, then SIGCONT. No store accepts a write of ' +
    'its old epoch any more.',
  needs: [],
  rounds: 20,
  round: async (run) => {
    const { producer, shards } = run.pickHolder();
    const worker = await run.cluster.workerOf(producer);
    const before = run.reigns.of(shards);
    run.undoLater('continue', () => void signalProcess(worker, 'SIGCONT'));
    const end = run.beginFault(`SIGSTOP of ${producer}'s worker, which holds ${shards.join(', ')}`);
    const sinceMs = run.nowMs;
    signalProcess(worker, 'SIGSTOP');
    await run.reigns.untilTakenOver(before, sinceMs);
    // The new reign must be past every write that the old worker was about to make.
    await run.pause(500);
    run.event(`SIGCONT of ${producer}'s worker`);
    await run.undo('continue');
    end();
    await run.pause(1_000);
  },
};

const loopStall: Drill = {
  name: 'loop-stall',
  does:
    'SIGSTOP of a worker for half the session timeout. It suspends itself and continues under the same ' +
    'epoch.',
  needs: [],
  rounds: 5,
  round: async (run) => {
    const { producer, shards } = run.pickHolder();
    const worker = await run.cluster.workerOf(producer);
    const before = run.reigns.of(shards);
    run.undoLater('continue', () => void signalProcess(worker, 'SIGCONT'));
    const end = run.beginFault(`SIGSTOP of ${producer}'s worker for ${run.limits.sessionTimeoutMs / 2} ms`);
    signalProcess(worker, 'SIGSTOP');
    await run.pause(run.limits.sessionTimeoutMs / 2);
    await run.undo('continue');
    end();
    await run.pause(1_000);
    run.reigns.expectSame(before);
  },
};

const graceful: Drill = {
  name: 'graceful',
  does:
    'SIGTERM to a producer. It finishes its deliveries and closes its session, and other producers hold ' +
    'its shards within milliseconds.',
  needs: [],
  rounds: 20,
  round: async (run) => {
    const { cluster } = run;
    const { producer, shards } = run.pickHolder();
    const before = run.reigns.of(shards);
    run.undoLater('restart', async () => cluster.startMissing());
    const end = run.beginFault(`SIGTERM to ${producer}, which holds ${shards.join(', ')}`);
    const sinceMs = run.nowMs;
    const identity = cluster.signal(producer, 'SIGTERM');
    await run.reigns.untilTakenOver(before, sinceMs);
    end();
    if (!(await waitUntilGone(identity, GONE_TIMEOUT_MS)))
      run.violation(`${producer} still runs ${GONE_TIMEOUT_MS / 1_000} s after SIGTERM`);
  },
};

const rolling: Drill = {
  name: 'rolling',
  does: 'Restarts every producer and every mapper, one after another. No request fails.',
  needs: [],
  rounds: 1,
  round: async (run) => {
    const { cluster } = run;
    const { producers, mappers } = cluster.file;
    for (const { id } of [...producers, ...mappers]) {
      run.undoLater('restart', async () => cluster.startMissing());
      const end = run.beginFault(`restart of ${id}`);
      await cluster.kill(id, 'SIGTERM');
      await run.undo('restart');
      await run.untilQuiesced();
      end();
    }
  },
};

const mapperKill: Drill = {
  name: 'mapper-kill',
  does: 'kill -9 of a mapper. No acknowledged link is lost, and the keys that the mapper held are recycled.',
  needs: [],
  rounds: 5,
  round: async (run) => {
    const { cluster } = run;
    const { id } = run.pick(cluster.file.mappers);
    const before = await getAudit(cluster.runDir);
    const bound = run.limits.reserve * cluster.processesPerMapper + run.load.inFlight;
    await killFor(run, [id], MAPPER_DOWN_MS);
    await run.untilQuiesced();
    const after = await getAudit(cluster.runDir);
    // The quarantine is not over, so none of its keys is recycled yet.
    run.measurements.stranded.push({ keys: Math.max(0, after.leaked - before.leaked), bound });
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
