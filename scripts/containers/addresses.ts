import { numbered, type Addresses } from '../cluster/environment.ts';
import { isSmall, mysqlServersOf, type Shape } from '../cluster/shape.ts';

export const PORTS = { http: 8080, admin: 9101, zookeeper: 2181, redis: 6379, mysql: 3306 };

/** The secrets that addresses contain. */
export interface Passwords {
  readonly redisPassword: string;
  readonly mysqlPassword: string;
  /** `user:password` */
  readonly zookeeperAuth: string;
}

/**
 * The addresses of all stores of a compose file. The URLs contain passwords. Pure.
 * @param shape of docker-compose.yml or docker-compose.small.yml
 * @param host the name or address of a service
 */
export function addressesIn(secrets: Passwords, shape: Shape, host: (service: string) => string): Addresses {
  const mysql = (server: string, database: string): string =>
    `mysql://keymill:${secrets.mysqlPassword}@${host(server)}:${PORTS.mysql}/${database}`;
  const servers = mysqlServersOf(shape.mysqlServers);
  const keysServer = servers.find(({ isKeysServer }) => isKeysServer)?.name ?? '';
  return {
    zookeeper: numbered('zookeeper', shape.zookeepers)
      .map((name) => `${host(name)}:${PORTS.zookeeper}`)
      .join(','),
    zookeeperAuth: isSmall(shape) ? undefined : secrets.zookeeperAuth,
    redis: numbered('redis', shape.redis).map((name) => ({
      name,
      url: `redis://default:${secrets.redisPassword}@${host(name)}:${PORTS.redis}`,
    })),
    keysDbs: numbered('keys-db', shape.keysDbs).map((name) => ({
      name,
      url: mysql(keysServer, name.replaceAll('-', '_')),
    })),
    urlsDbs: servers.flatMap(({ name, slots, isKeysServer }) =>
      slots === undefined ? [] : [{ name: isKeysServer ? 'urls-1' : name, slots, url: mysql(name, 'urls') }],
    ),
    usersDb: { url: mysql(keysServer, 'users') },
    ...(isSmall(shape) && { keySource: 'counter' }),
  };
}
