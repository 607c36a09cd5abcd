import { MARIADB_USER } from '../servers/mariadb.ts';
import type { RunDir } from './run-dir.ts';
import { isSmall, mysqlServersOf, type Shape } from './shape.ts';
import type { State } from './state.ts';

/** The port of a running server by its id: `redis-1`, `mysql-keys`, `zookeeper-1`. */
export type Ports = (id: string) => number;

/** The addresses of all stores. The URLs contain passwords. */
export interface Addresses {
  /** Empty: there is no ZooKeeper. */
  readonly zookeeper: string;
  /** `user:password`; undefined when the nodes in ZooKeeper are open. */
  readonly zookeeperAuth?: string | undefined;
  readonly redis: { readonly name: string; readonly url: string }[];
  readonly keysDbs: { readonly name: string; readonly url: string }[];
  readonly urlsDbs: { readonly name: string; readonly url: string; readonly slots: string }[];
  readonly usersDb: { readonly url: string };
  /** Where mappers get keys, when it is not from the pools. */
  readonly keySource?: 'counter' | undefined;
}

export const TOKEN_VARIABLE = 'KEYMILL_RUN_TOKEN';

/**
 * The port to try first: the usual one plus `KEYMILL_PORT_OFFSET`. With different offsets, several clusters
 * on one machine do not take each other's ports.
 */
export function firstPort(port: number): number {
  const offset = Number(process.env['KEYMILL_PORT_OFFSET'] ?? 0);
  return port + (Number.isInteger(offset) && offset >= 0 && offset <= 50_000 ? offset : 0);
}

/** `numbered('redis', 2)` → redis-1, redis-2. */
export function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index + 1}`);
}

/** The addresses of a cluster of this shape. Pure. */
export function addressesOf(
  shape: Shape,
  state: Pick<State, 'mysqlPassword' | 'redisPassword' | 'zookeeperAuth' | 'setup'>,
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
    zookeeperAuth: isSmall(shape) ? undefined : state.zookeeperAuth,
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
    ...(state.setup.keySource === 'counter' && { keySource: 'counter' }),
  };
}

/** With tick 500 ms and syncLimit 3, a stopped leader costs at most 2 s. */
export const LOCAL_SESSION_TIMEOUT_MS = 2_000;
/** Short, because a local mapper holds a key for seconds. */
export const LOCAL_QUARANTINE_MS = 30_000;

/** Other defaults for a cluster on one machine. The caller's environment overrides them. */
const LOCAL_DEFAULTS = {
  KEYMILL_SESSION_TIMEOUT_MS: String(LOCAL_SESSION_TIMEOUT_MS),
  KEYMILL_QUARANTINE_MS: String(LOCAL_QUARANTINE_MS),
  KEYMILL_SIGNUP: 'open',
};

/** The same for a cluster with little memory. */
const SMALL_DEFAULTS = { KEYMILL_CACHE_MAX_BYTES: String(16 * 2 ** 20) };

/** The variables that describe Redis and the databases. The values contain passwords. */
export function storeVariables({
  redis,
  keysDbs,
  urlsDbs,
  usersDb,
}: Omit<Addresses, 'zookeeper'>): Record<string, string> {
  const list = (entries: readonly { name: string; url: string }[]): string =>
    entries.map(({ name, url }) => `${name}=${url}`).join(',');
  return {
    KEYMILL_REDIS: list(redis),
    KEYMILL_KEYS_DBS: list(keysDbs),
    KEYMILL_URLS_DBS: list(urlsDbs.map(({ name, url, slots }) => ({ name: `${name}:${slots}`, url }))),
    KEYMILL_USERS_DB: usersDb.url,
  };
}

interface ProcessSettings {
  readonly runDir: RunDir;
  readonly state: Pick<State, 'token' | 'adminToken' | 'setup'>;
  readonly addresses: Addresses;
  /** The variables of this one process: its id and ports. */
  readonly own: Readonly<Record<string, string>>;
}

/** The environment of a producer or mapper: the caller's, with its addresses replaced by this cluster's. */
export function processEnvironment({ runDir, state, addresses, own }: ProcessSettings): NodeJS.ProcessEnv {
  const ours: Record<string, string> = {
    KEYMILL_ZOOKEEPER: addresses.zookeeper,
    ...storeVariables(addresses),
    KEYMILL_KEY_SOURCE: addresses.keySource ?? 'pools',
    KEYMILL_KEY_SECRET_FILE: runDir.keySecretFile,
    ...(state.adminToken !== undefined && { KEYMILL_ADMIN_TOKEN: state.adminToken }),
    [TOKEN_VARIABLE]: state.token,
    ...own,
  };
  const inherited: NodeJS.ProcessEnv = { ...process.env };
  // The configuration refuses a variable that is set together with its …_FILE form.
  for (const name of [...Object.keys(ours), 'KEYMILL_ZOOKEEPER_AUTH'])
    delete inherited[name.endsWith('_FILE') ? name.slice(0, -5) : `${name}_FILE`];
  const blobs = blobsOf(runDir, inherited);
  return {
    ...LOCAL_DEFAULTS,
    ...(state.setup.memory === 'small' && SMALL_DEFAULTS),
    ...(blobs !== undefined && { KEYMILL_BLOBS: blobs }),
    ...inherited,
    ...ours,
    KEYMILL_ZOOKEEPER_AUTH: addresses.zookeeperAuth,
  };
}

/**
 * Where the images of a cluster on this machine are: where the caller's environment says, else in a directory
 * of the run folder. Undefined: a file of the caller says it.
 */
export function blobsOf(runDir: RunDir, env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (env['KEYMILL_BLOBS_FILE']) return undefined;
  return env['KEYMILL_BLOBS'] ?? `file:${runDir.blobs}`;
}
