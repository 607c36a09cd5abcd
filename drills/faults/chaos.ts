import { signalProcess } from '../../scripts/servers/identity.ts';
import type { Drill } from '../drill.ts';
import { withRedis } from '../stage/redis.ts';
import type { Stage } from '../stage/stage.ts';
import { WIRE_FAULTS, wireHavoc } from '../stage/wire.ts';

/** A fault that chaos may choose: what it hits, and how it begins and ends. */
interface Havoc {
  readonly what: string;
  /** Faults of one kind never overlap: two ZooKeeper servers at once would be a lost quorum, a drill of its own. */
  readonly kind: 'producer' | 'mapper' | 'redis' | 'mysql' | 'zookeeper';
  begin(): Promise<void> | void;
  heal(): Promise<void> | void;
}

const nothing = (): void => undefined;

/** One fault out of all, on a victim chosen by the drill's random numbers. */
async function invent(stage: Stage): Promise<Havoc> {
  const { cluster } = stage;
  const { file } = cluster;
  const restart = async (): Promise<void> => cluster.startMissing();
  const killed = (kind: Havoc['kind'], id: string, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Havoc => ({
    what: `${signal} to ${id}`,
    kind,
    begin: async () => cluster.kill(id, signal),
    heal: restart,
  });
  const stopped = (kind: Havoc['kind'], id: string): Havoc => ({
    what: `SIGSTOP of ${id}`,
    kind,
    begin: () => void cluster.signal(id, 'SIGSTOP'),
    heal: () => void cluster.signal(id, 'SIGCONT'),
  });
  const producer = stage.pick(file.producers).id;
  const mapper = stage.pick(file.mappers).id;
  const redis = stage.pick(file.redis);
  const mysql = stage.pick(file.mysql).name;
  const zookeeper = `zookeeper-${stage.pick(file.zookeeper.servers).id}`;
  const worker = await cluster.workerOf(producer).catch(() => undefined);
  const onWorker: Havoc[] =
    worker === undefined
      ? []
      : [
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
            heal: restart,
          },
        ];
  const servers = [
    ['redis', redis.name],
    ['mysql', mysql],
    ['zookeeper', zookeeper],
  ] as const;
  const onWire: Havoc[] =
    file.wire === undefined
      ? []
      : servers.flatMap(([kind, server]) =>
          WIRE_FAULTS.map((fault) => ({ kind, ...wireHavoc(stage, server, fault) })),
        );
  return stage.pick<Havoc>([
    ...onWorker,
    killed('producer', producer),
    killed('producer', producer, 'SIGTERM'),
    killed('mapper', mapper),
    killed('mapper', mapper, 'SIGTERM'),
    stopped('mapper', mapper),
    killed('redis', redis.name),
    stopped('redis', redis.name),
    {
      what: `FLUSHALL on ${redis.name}`,
      kind: 'redis',
      begin: async () => withRedis(redis, async (client) => void (await client.command('FLUSHALL', []))),
      heal: nothing,
    },
    killed('mysql', mysql),
    stopped('mysql', mysql),
    killed('zookeeper', zookeeper),
    stopped('zookeeper', zookeeper),
    ...onWire,
  ]);
}

/** Lets one fault happen for a while, beside whatever else happens. */
async function wreak(stage: Stage, havoc: Havoc, number: number, ms: number): Promise<void> {
  const name = `fault ${number}`;
  const end = stage.beginFault(`${name}: ${havoc.what} for ${Math.round(ms)} ms`);
  stage.undoLater(name, async () => havoc.heal());
  try {
    await havoc.begin();
    await stage.pause(ms);
  } finally {
    await stage.undo(name);
    end();
  }
}

export const chaos: Drill = {
  name: 'chaos',
  does: 'faults of every kind, one upon the other, chosen by the seed: nothing lost, nothing twice, nothing leaked; of the network too where the cluster is faultable',
  needs: [],
  rounds: 1,
  round: async (stage) => {
    const { seconds, faults } = stage.options;
    const meanPauseMs = (seconds * 1_000) / faults;
    const busy = new Map<Havoc['kind'], Promise<void>>();
    const until = stage.nowMs + seconds * 1_000;
    for (let number = 1; number <= faults; number++) {
      const havoc = await invent(stage);
      await busy.get(havoc.kind);
      const ms = 200 + stage.random() * Math.min(6_000, 2 * meanPauseMs);
      const work = wreak(stage, havoc, number, ms);
      busy.set(
        havoc.kind,
        work.catch((error: unknown) => stage.event(`fault ${number} could not be done: ${String(error)}`)),
      );
      const left = Math.max(0, until - stage.nowMs);
      await stage.pause(Math.min(left, stage.random() * 2 * meanPauseMs));
    }
    await Promise.all(busy.values());
  },
};
