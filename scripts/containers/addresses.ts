import { numbered, type Addresses } from '../cluster/environment.ts';
import { DEFAULT_SHAPE, mysqlServersOf } from '../cluster/shape.ts';

export const PORTS = { http: 8080, admin: 9101, zookeeper: 2181, redis: 6379, mysql: 3306 };

/** The secrets that addresses contain. */
export interface Passwords {
  readonly redisPassword: string;
  readonly mysqlPassword: string;
  /** `user:password` */
  readonly zookeeperAuth: string;
}

/**
 * The addresses of all stores of docker-compose.yml. The URLs contain passwords. Pure.
 * @param host the name or address of a service
 */
export function addressesIn(secrets: Passwords, host: (service: string) => string): Addresses {
  const mysql = (server: string, database: string): string =>
    `mysql://keymill:${secrets.mysqlPassword}@${host(server)}:${PORTS.mysql}/${database}`;
  return {
    zookeeper: numbered('zookeeper', DEFAULT_SHAPE.zookeepers)
      .map((name) => `${host(name)}:${PORTS.zookeeper}`)
      .join(','),
    zookeeperAuth: secrets.zookeeperAuth,
    redis: numbered('redis', DEFAULT_SHAPE.redis).map((name) => ({
      name,
      url: `redis://default:${secrets.redisPassword}@${host(name)}:${PORTS.redis}`,
    })),
    keysDbs: numbered('keys-db', DEFAULT_SHAPE.keysDbs).map((name) => ({
      name,
      url: mysql('mysql-keys', name.replaceAll('-', '_')),
    })),
    urlsDbs: mysqlServersOf(DEFAULT_SHAPE.mysqlServers).flatMap(({ name, slots }) =>
      slots === undefined ? [] : [{ name, slots, url: mysql(name, 'urls') }],
    ),
    usersDb: { url: mysql('mysql-keys', 'users') },
  };
}
