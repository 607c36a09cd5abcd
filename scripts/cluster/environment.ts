import type { RunDir } from './run-dir.ts';
import { mysqlServersOf, type Shape } from './shape.ts';
import type { State } from './state.ts';
import { MARIADB_USER } from '../servers/mariadb.ts';

/** Ports by id of the servers that run: `redis-1`, `mysql-keys`, `zookeeper-1`. */
export type Ports = (id: string) => number;

/** Where everything is kept, as URLs with passwords. */
export interface Addresses {
  readonly zookeeper: string;
  readonly redis: { readonly name: string; readonly url: string }[];
  readonly keysDbs: { readonly name: string; readonly url: string }[];
  readonly urlsDbs: { readonly name: string; readonly url: string; readonly slots: string }[];
  readonly usersDb: { readonly url: string };
}

export const TOKEN_VARIABLE = 'KEYMILL_RUN_TOKEN';

/**
 * The port to try first where the usual one is `port`: that, shifted by `KEYMILL_PORT_OFFSET`, with which several clusters on one
 * machine keep out of each other's way.
 */
export function firstPort(port: number): number {
  const offset = Number(process.env['KEYMILL_PORT_OFFSET'] ?? 0);
  return port + (Number.isInteger(offset) && offset >= 0 && offset <= 50_000 ? offset : 0);
}

/** `1 … n` as names: `numbered('redis', 2)` → redis-1, redis-2. */
export function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index + 1}`);
}

/** Pure, given the ports the servers listen on. */
export function addressesOf(
  shape: Shape,
  state: Pick<State, 'mysqlPassword' | 'redisPassword'>,
  port: Ports,
): Addresses {
  const mysql = (server: string, database: string): string =>
    `mysql://${MARIADB_USER}:${state.mysqlPassword}@127.0.0.1:${port(server)}/${database}`;
  const servers = mysqlServersOf(shape.mysqlServers);
  const keysServer = servers.find(({ isKeysServer }) => isKeysServer)?.name ?? '';
  return {
    zookeeper: numbered('zookeeper', shape.zookeepers)
      .map((id) => `127.0.0.1:${port(id)}`)
      .join(','),
    redis: numbered('redis', shape.redis).map((name) => ({
      name,
      url: `redis://default:${state.redisPassword}@127.0.0.1:${port(name)}`,
    })),
    keysDbs: numbered('keys-db', shape.keysDbs).map((name) => ({
      name,
      url: mysql(keysServer, name.replaceAll('-', '_')),
    })),
    urlsDbs: servers.flatMap(({ name, slots, isKeysServer }) =>
      slots === undefined ? [] : [{ name: isKeysServer ? 'urls-1' : name, slots, url: mysql(name, 'urls') }],
    ),
    usersDb: { url: mysql(keysServer, 'users') },
  };
}

/** Tunables with which a cluster on one machine differs from the defaults; the caller's environment may set them otherwise. */
const LOCAL_DEFAULTS = {
  // With tick 500 ms and syncLimit 3 a stopped leader costs 2 s at most.
  KEYMILL_SESSION_TIMEOUT_MS: '2000',
  KEYMILL_QUARANTINE_MS: '30000',
};

interface ProcessSettings {
  readonly runDir: RunDir;
  readonly state: Pick<State, 'token'>;
  readonly addresses: Addresses;
  /** The variables of this one process: its id and ports. */
  readonly own: Readonly<Record<string, string>>;
}

/** The environment of a producer or mapper: the caller's, with its addresses replaced by this cluster's. */
export function processEnvironment({ runDir, state, addresses, own }: ProcessSettings): NodeJS.ProcessEnv {
  const list = (entries: readonly { name: string; url: string }[]): string =>
    entries.map(({ name, url }) => `${name}=${url}`).join(',');
  const ours: Record<string, string> = {
    KEYMILL_ZOOKEEPER: addresses.zookeeper,
    KEYMILL_REDIS: list(addresses.redis),
    KEYMILL_KEYS_DBS: list(addresses.keysDbs),
    KEYMILL_URLS_DBS: list(
      addresses.urlsDbs.map(({ name, url, slots }) => ({ name: `${name}:${slots}`, url })),
    ),
    KEYMILL_USERS_DB: addresses.usersDb.url,
    KEYMILL_KEY_SECRET_FILE: runDir.keySecretFile,
    [TOKEN_VARIABLE]: state.token,
    ...own,
  };
  const inherited: NodeJS.ProcessEnv = { ...process.env };
  // A variable and its …_FILE twin must not both be set.
  for (const name of Object.keys(ours))
    delete inherited[name.endsWith('_FILE') ? name.slice(0, -5) : `${name}_FILE`];
  return { ...LOCAL_DEFAULTS, ...inherited, ...ours };
}
