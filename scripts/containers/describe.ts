import type { ContainerClusterFile } from '../cluster/cluster-file.ts';
import { numbered, type Addresses } from '../cluster/environment.ts';
import { mysqlServersOf, type Shape } from '../cluster/shape.ts';
import { addressesIn, PORTS } from './addresses.ts';
import type { Container } from './compose.ts';
import type { Secrets } from './secrets.ts';

type Member = ContainerClusterFile['producers'][number];

/**
 * The content of `cluster.json`, with the containers' present addresses. Only the engine's machine can reach
 * them.
 */
export function describeContainers(
  containers: readonly Container[],
  shape: Shape,
  secrets: Secrets,
  publicUrl: string,
): ContainerClusterFile {
  const of = (service: string): Container[] =>
    containers
      .filter((container) => container.service === service && container.address !== '')
      .toSorted((a, b) => a.number - b.number);
  const nameOf = (service: string): string => of(service)[0]?.name ?? '';
  const members = (service: string): Member[] =>
    of(service).map(({ hostname, name, address }) => ({
      id: hostname,
      admin: `http://${address}:${PORTS.admin}`,
      container: name,
    }));
  const stores = addressesIn(secrets, shape, (service) => of(service)[0]?.address ?? '0.0.0.0');
  return {
    mappers: members('mapper').map((member) => ({
      ...member,
      url: member.admin.replace(String(PORTS.admin), String(PORTS.http)),
    })),
    producers: members('producer'),
    zookeeper: {
      connect: stores.zookeeper,
      ...(stores.zookeeperAuth !== undefined && { auth: stores.zookeeperAuth }),
      servers: numbered('zookeeper', shape.zookeepers).map((name, index) => ({
        id: index + 1,
        port: PORTS.zookeeper,
        container: nameOf(name),
      })),
    },
    redis: stores.redis.map((server) => ({ ...server, container: nameOf(server.name) })),
    mysql: mysqlServersOf(shape.mysqlServers).map(({ name }) => ({
      name,
      port: PORTS.mysql,
      container: nameOf(name),
    })),
    keysDbs: stores.keysDbs,
    urlsDbs: stores.urlsDbs,
    usersDb: stores.usersDb,
    ...(stores.keySource !== undefined && { keySource: stores.keySource }),
    adminToken: secrets.adminToken,
    publicUrl,
  };
}

/** The addresses in a `cluster.json`, in the form in which the wait for readiness takes them. */
export function addressesOfContainers(file: ContainerClusterFile): Addresses {
  return { ...file, zookeeper: file.zookeeper.connect, zookeeperAuth: file.zookeeper.auth };
}
