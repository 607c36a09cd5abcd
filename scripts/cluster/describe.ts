import type { ClusterFile } from './cluster-file.ts';
import { numbered, type Addresses } from './environment.ts';
import { portName } from './members.ts';
import type { WorkerPids } from './producer-view.ts';
import { mysqlServersOf, type Shape } from './shape.ts';
import type { Counts, State } from './state.ts';
import { describeWire } from './wire.ts';

interface Running {
  readonly shape: Shape;
  readonly counts: Counts;
  readonly addresses: Addresses;
  readonly state: State;
  readonly workers: WorkerPids;
  /** The value of KEYMILL_BLOBS. */
  readonly blobs?: string | undefined;
}

/**
 * The content of `cluster.json`: process ids and ports from the record, and the workers' ids from their
 * znodes.
 */
export function describeCluster({ shape, counts, addresses, state, workers, blobs }: Running): ClusterFile {
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
      ...(addresses.zookeeperAuth !== undefined && { auth: addresses.zookeeperAuth }),
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
    ...(addresses.keySource !== undefined && { keySource: addresses.keySource }),
    blobs,
    adminToken: state.adminToken,
    ...(wire !== undefined && { wire }),
  };
}
