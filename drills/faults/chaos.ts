import { signalProcess, type ProcessIdentity } from '../../scripts/servers/identity.ts';
import { withRedis } from '../cluster/redis.ts';
import type { DrillRun } from '../run/drill-run.ts';
import type { Drill } from '../run/drill.ts';
import { createNetworkFault, NETWORK_FAULTS, type Fault } from '../run/network-fault.ts';

interface ChaosFault extends Fault {
  /** Faults of one kind never overlap. Two ZooKeeper servers down would be a lost quorum, another drill. */
  readonly kind: 'producer' | 'mapper' | 'redis' | 'mysql' | 'zookeeper';
}
type FaultKind = ChaosFault['kind'];

const nothing = (): void => undefined;

/** A fault of any kind, on a victim chosen by the drill's random numbers. */
async function pickFault(run: DrillRun): Promise<ChaosFault> {
  const { file } = run.cluster;
  const producer = run.pick(file.producers).id;
  const mapper = run.pick(file.mappers).id;
  const redis = run.pick(file.redis);
  const mysql = run.pick(file.mysql).name;
  const zookeeper = `zookeeper-${run.pick(file.zookeeper.servers).id}`;
  return run.pick([
    ...(await workerFaults(run, producer)),
    killed(run, 'producer', producer),
    killed(run, 'producer', producer, 'SIGTERM'),
    killed(run, 'mapper', mapper),
    killed(run, 'mapper', mapper, 'SIGTERM'),
    stopped(run, 'mapper', mapper),
    killed(run, 'redis', redis.name),
    stopped(run, 'redis', redis.name),
    {
      what: `FLUSHALL on ${redis.name}`,
      kind: 'redis',
      begin: async () => withRedis(redis, async (client) => void (await client.command('FLUSHALL', []))),
      heal: nothing,
    },
    killed(run, 'mysql', mysql),
    stopped(run, 'mysql', mysql),
    killed(run, 'zookeeper', zookeeper),
    stopped(run, 'zookeeper', zookeeper),
    ...networkFaults(run, { redis: redis.name, mysql, zookeeper }),
  ]);
}

function killed(
  { cluster }: DrillRun,
  kind: FaultKind,
  id: string,
  signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL',
): ChaosFault {
  return {
    what: `${signal} to ${id}`,
    kind,
    begin: async () => cluster.kill(id, signal),
    heal: async () => cluster.startMissing(),
  };
}

function stopped({ cluster }: DrillRun, kind: FaultKind, id: string): ChaosFault {
  return {
    what: `SIGSTOP of ${id}`,
    kind,
    begin: () => void cluster.signal(id, 'SIGSTOP'),
    heal: () => void cluster.signal(id, 'SIGCONT'),
  };
}

/** Faults of a producer's worker. None if it has no worker at the moment. */
async function workerFaults({ cluster }: DrillRun, producer: string): Promise<ChaosFault[]> {
  let worker: ProcessIdentity;
  try {
    worker = await cluster.workerOf(producer);
  } catch {
    return [];
  }
  return [
    {
      what: `kill -9 of ${producer}'s worker`,
      kind: 'producer',
      begin: () => void signalProcess(worker, 'SIGKILL'),
      heal: nothing,
    },
    {
      what: `SIGSTOP of ${producer}'s worker`,
      kind: 'producer',
      begin: () => void signalProcess(worker, 'SIGSTOP'),
      heal: () => void signalProcess(worker, 'SIGCONT'),
    },
    {
      what: `kill -9 of ${producer}, supervisor and worker`,
      kind: 'producer',
      begin: async () => {
        await cluster.kill(producer);
        signalProcess(worker, 'SIGKILL');
        await cluster.holdPorts(producer);
      },
      heal: async () => cluster.startMissing(),
    },
  ];
}

/** Faults of the network in front of these servers. None if the cluster has no wire. */
function networkFaults(
  run: DrillRun,
  servers: Readonly<Record<'redis' | 'mysql' | 'zookeeper', string>>,
): ChaosFault[] {
  if (run.cluster.file.wire === undefined) return [];
  return (['redis', 'mysql', 'zookeeper'] as const).flatMap((kind) =>
    NETWORK_FAULTS.map((fault) => ({ kind, ...createNetworkFault(run, servers[kind], fault) })),
  );
}

/** Makes one fault for `ms`, while other faults come and go. */
async function inject(run: DrillRun, fault: ChaosFault, number: number, ms: number): Promise<void> {
  const name = `fault ${number}`;
  const end = run.beginFault(`${name}: ${fault.what} for ${Math.round(ms)} ms`);
  run.undoLater(name, async () => fault.heal());
  try {
    await fault.begin();
    await run.pause(ms);
  } finally {
    await run.undo(name);
    end();
  }
}

export const chaos: Drill = {
  name: 'chaos',
  does:
    'Faults of every kind, several at a time, chosen by the seed; also of the network if the cluster has a ' +
    'wire. No link is lost, no key is bound twice, and no key leaks.',
  needs: [],
  rounds: 1,
  round: async (run) => {
    const { seconds, faults } = run;
    const meanPauseMs = (seconds * 1_000) / faults;
    const busy = new Map<FaultKind, Promise<void>>();
    const until = run.nowMs + seconds * 1_000;
    for (let number = 1; number <= faults; number++) {
      const fault = await pickFault(run);
      await busy.get(fault.kind);
      const ms = 200 + run.random() * Math.min(6_000, 2 * meanPauseMs);
      const work = inject(run, fault, number, ms);
      busy.set(
        fault.kind,
        work.catch((error: unknown) => run.event(`fault ${number} failed: ${String(error)}`)),
      );
      const left = Math.max(0, until - run.nowMs);
      await run.pause(Math.min(left, run.random() * 2 * meanPauseMs));
    }
    await Promise.all(busy.values());
  },
};
