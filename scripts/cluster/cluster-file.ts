import { numbered, type Addresses } from './environment.ts';
import { portName } from './members.ts';
import type { WorkerPids } from './readiness.ts';
import { writePrivateFile, type RunDir } from './run-dir.ts';
import { mysqlServersOf, type Shape } from './shape.ts';
import type { Counts, State } from './state.ts';
import { describeWire, type WireEntry } from './wire.ts';

/** What runs where, for everybody else: the shape is a promise (docs, scripts and checks outside read it). */
export interface ClusterFile {
  readonly mappers: { id: string; url: string; admin: string; pid: number }[];
  readonly producers: { id: string; supervisorPid: number; workerPid: number; admin: string }[];
  readonly zookeeper: { connect: string; servers: { id: number; port: number; pid: number }[] };
  readonly redis: { name: string; url: string; pid: number }[];
  readonly mysql: { name: string; port: number; pid: number }[];
  readonly keysDbs: { name: string; url: string }[];
  readonly urlsDbs: { name: string; url: string; slots: string }[];
  readonly usersDb: { url: string };
  /** Only with `up --faultable`. The addresses above are the servers' own; producers and mappers go through this. */
  readonly wire?: WireEntry;
}

/** Everything that runs, by the record and by what the producers said of their workers. */
export function describeCluster(
  shape: Shape,
  counts: Counts,
  addresses: Addresses,
  state: State,
  workers: WorkerPids,
): ClusterFile {
  const pid = (id: string): number => state.findRunning(id)?.pid ?? 0;
  const port = (id: string): number => state.port(id) ?? 0;
  const wire = describeWire(shape, state);
  const local = (id: string, use: string): string => `http://127.0.0.1:${port(portName(id, use))}`;
  return {
    mappers: numbered('mapper', counts.mappers).map((id) => ({
      id,
      url: local(id, 'http'),
      admin: local(id, 'admin'),
      pid: pid(id),
    })),
    producers: numbered('producer', counts.producers).map((id) => ({
      id,
      supervisorPid: pid(id),
      workerPid: workers.get(id) ?? 0,
      admin: local(id, 'admin'),
    })),
    zookeeper: {
      connect: addresses.zookeeper,
      servers: numbered('zookeeper', shape.zookeepers).map((id, index) => ({
        id: index + 1,
        port: port(id),
        pid: pid(id),
      })),
    },
    redis: addresses.redis.map(({ name, url }) => ({ name, url, pid: pid(name) })),
    mysql: mysqlServersOf(shape.mysqlServers).map(({ name }) => ({ name, port: port(name), pid: pid(name) })),
    keysDbs: addresses.keysDbs.map(({ name, url }) => ({ name, url })),
    urlsDbs: addresses.urlsDbs.map(({ name, url, slots }) => ({ name, url, slots })),
    usersDb: { url: addresses.usersDb.url },
    ...(wire !== undefined && { wire }),
  };
}

export function writeClusterFile(runDir: RunDir, file: ClusterFile): void {
  writePrivateFile(runDir.clusterFile, `${JSON.stringify(file, null, 2)}\n`);
}
