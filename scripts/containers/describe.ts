import type { ContainerClusterFile } from '../cluster/cluster-file.ts';
import type { Addresses } from '../cluster/environment.ts';
import { mysqlServersOf, DEFAULT_SHAPE } from '../cluster/shape.ts';
import type { Container } from './compose.ts';

type Member = ContainerClusterFile['producers'][number];

const PORTS = { http: 8080, admin: 9101, zookeeper: 2181, redis: 6379, mysql: 3306 };

export interface Passwords {
  readonly redis: string;
  readonly mysql: string;
  /** For the admin ports. */
  readonly adminToken: string;
}

/**
 * The content of `cluster.json`, with the containers' present addresses. Only the engine's machine can reach
 * them.
 */
export function describeContainers(
  containers: readonly Container[],
  passwords: Passwords,
  publicUrl: string,
): ContainerClusterFile {
  const of = (service: string): Container[] =>
    containers
      .filter((container) => container.service === service && container.address !== '')
      .toSorted((a, b) => a.number - b.number);
  const one = (service: string): { address: string; container: string } => {
    const [found] = of(service);
    return { address: found?.address ?? '0.0.0.0', container: found?.name ?? '' };
  };
  const mysql = (server: string, database: string): string =>
    `mysql://keymill:${passwords.mysql}@${one(server).address}:${PORTS.mysql}/${database}`;
  const members = (service: string): Member[] =>
    of(service).map(({ hostname, name, address }) => ({
      id: hostname,
      admin: `http://${address}:${PORTS.admin}`,
      container: name,
    }));
  const servers = mysqlServersOf(DEFAULT_SHAPE.mysqlServers);
  const zookeepers = ['zookeeper-1', 'zookeeper-2', 'zookeeper-3'];
  return {
    mappers: members('mapper').map((member) => ({
      ...member,
      url: member.admin.replace(String(PORTS.admin), String(PORTS.http)),
    })),
    producers: members('producer'),
    zookeeper: {
      connect: zookeepers.map((name) => `${one(name).address}:${PORTS.zookeeper}`).join(','),
      servers: zookeepers.map((name, index) => ({
        id: index + 1,
        port: PORTS.zookeeper,
        container: one(name).container,
      })),
    },
    redis: ['redis-1', 'redis-2', 'redis-3', 'redis-4'].map((name) => ({
      name,
      url: `redis://default:${passwords.redis}@${one(name).address}:${PORTS.redis}`,
      container: one(name).container,
    })),
    mysql: servers.map(({ name }) => ({ name, port: PORTS.mysql, container: one(name).container })),
    keysDbs: ['keys-db-1', 'keys-db-2', 'keys-db-3', 'keys-db-4'].map((name) => ({
      name,
      url: mysql('mysql-keys', name.replaceAll('-', '_')),
    })),
    urlsDbs: servers.flatMap(({ name, slots }) =>
      slots === undefined ? [] : [{ name, slots, url: mysql(name, 'urls') }],
    ),
    usersDb: { url: mysql('mysql-keys', 'users') },
    adminToken: passwords.adminToken,
    publicUrl,
  };
}

/** The addresses in a `cluster.json`, in the form in which the wait for readiness takes them. */
export function addressesOfContainers(file: ContainerClusterFile): Addresses {
  return { ...file, zookeeper: file.zookeeper.connect };
}
