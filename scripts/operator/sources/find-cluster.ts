import { existsSync } from 'node:fs';
import {
  readOperatorConfig,
  readZooKeeperConfig,
  type OperatorConfig,
} from '../../../runtime/config/config.ts';
import type { ZooKeeperConfig } from '../../../runtime/config/zookeeper.ts';
import { readAnyClusterFile, type AnyClusterFile } from '../../cluster/cluster-file.ts';
import { UsageError } from '../../../runtime/terminal/errors.ts';
import { RunDir } from '../../cluster/run-dir.ts';
import { noZooKeeper } from './no-zookeeper.ts';

type Source = Readonly<Record<string, string | undefined>>;

/** When one of these variables is set, the environment describes the cluster. */
const STORES = ['ZOOKEEPER', 'REDIS', 'KEYS_DBS', 'URLS_DBS', 'USERS_DB'] as const;

export interface Cluster {
  readonly config: OperatorConfig;
  /** The file that `up` wrote; undefined when the environment describes the cluster. */
  readonly file: AnyClusterFile | undefined;
}

/**
 * Finds the cluster by the same `KEYMILL_` variables that its processes use; without them, finds the cluster
 * that `./scripts/up` runs.
 * @throws UsageError when there is none; the message says what to type
 * @throws ConfigError when the variables are wrong
 */
export function findCluster(env: Source): Cluster {
  const isDescribed = STORES.some((name) => env[`KEYMILL_${name}`] || env[`KEYMILL_${name}_FILE`]);
  if (isDescribed) return { config: readOperatorConfig(env), file: undefined };
  const runDir = runDirOf(env);
  const file = readAnyClusterFile(runDir.clusterFile);
  return { config: readOperatorConfig({ ...env, ...variablesOf(file), ...secretOf(env, runDir) }), file };
}

/**
 * Finds only the ensemble, for commands that need nothing else.
 * @throws UsageError when there is no cluster, ConfigError when the variables are wrong
 */
export function findEnsemble(env: Source): ZooKeeperConfig {
  if (env['KEYMILL_ZOOKEEPER']) return readZooKeeperConfig(env);
  if (env['KEYMILL_KEY_SOURCE'] === 'counter') throw noZooKeeper();
  const file = readAnyClusterFile(runDirOf(env).clusterFile);
  if (file.zookeeper.connect === '') throw noZooKeeper();
  return readZooKeeperConfig({ ...env, ...ensembleOf(file) });
}

/** Where people reach the service: as configured, or else a mapper of the cluster that `up` runs. */
export function originOf(env: Source, { file }: Cluster): string | undefined {
  return env['KEYMILL_PUBLIC_URL']?.replace(/\/$/, '') ?? file?.mappers[0]?.url;
}

/**
 * Where links can be made: at the service that `given` names, as configured, or at the mappers of the cluster
 * that `up` runs. Without a slash at the end.
 * @throws UsageError when there is none; the message says what to type
 */
export function findOrigins(env: Source, given: string | undefined): readonly string[] {
  if (given !== undefined) return [parseOrigin('--server', given)];
  const configured = env['KEYMILL_PUBLIC_URL'];
  if (configured) return [parseOrigin('KEYMILL_PUBLIC_URL', configured)];
  const { clusterFile } = runDirOf(env);
  if (existsSync(clusterFile)) return readAnyClusterFile(clusterFile).mappers.map(({ url }) => url);
  throw new UsageError(
    `no cluster is running here (there is no ${clusterFile}).\n` +
      'Start one:            ./scripts/up --detach\n' +
      'Or name the service:  --server https://go.example, or KEYMILL_PUBLIC_URL',
  );
}

function parseOrigin(name: string, given: string): string {
  const url = URL.parse(given.trim());
  const isOrigin =
    url !== null &&
    /^https?:$/.test(url.protocol) &&
    url.username + url.password + url.search + url.hash === '' &&
    url.pathname === '/';
  if (!isOrigin)
    throw new UsageError(`${name}: expected the address of a service, such as https://go.example`);
  return url.origin;
}

/** The folder of `up`: `KEYMILL_RUN_DIR`, or `.run` in the repository, whatever the current folder is. */
function runDirOf(env: Source): RunDir {
  return new RunDir(env['KEYMILL_RUN_DIR'] ?? '');
}

/** The file's settings as variables, so that they pass the same validation. */
function variablesOf(file: AnyClusterFile): Source {
  const list = (entries: readonly { name: string; url: string }[]): string =>
    entries.map(({ name, url }) => `${name}=${url}`).join(',');
  return {
    ...ensembleOf(file),
    KEYMILL_REDIS: list(file.redis),
    KEYMILL_KEYS_DBS: list(file.keysDbs),
    KEYMILL_URLS_DBS: list(
      file.urlsDbs.map(({ name, slots, url }) => ({ name: `${name}:${slots.replaceAll(',', '+')}`, url })),
    ),
    KEYMILL_USERS_DB: file.usersDb.url,
    KEYMILL_KEY_SOURCE: file.keySource,
    ...(file.blobs !== undefined && { KEYMILL_BLOBS: file.blobs, KEYMILL_BLOBS_FILE: undefined }),
    ...(file.adminToken !== undefined && {
      KEYMILL_ADMIN_TOKEN: file.adminToken,
      KEYMILL_ADMIN_TOKEN_FILE: undefined,
    }),
  };
}

function ensembleOf({ zookeeper }: AnyClusterFile): Source {
  return {
    KEYMILL_ZOOKEEPER: zookeeper.connect,
    KEYMILL_ZOOKEEPER_AUTH: zookeeper.auth,
    KEYMILL_ZOOKEEPER_AUTH_FILE: undefined,
  };
}

/** The secret that shuffles the keys is not in `cluster.json`, because fewer programs may read it. */
function secretOf(env: Source, runDir: RunDir): Source {
  if (env['KEYMILL_KEY_SECRET'] || env['KEYMILL_KEY_SECRET_FILE']) return {};
  return { KEYMILL_KEY_SECRET_FILE: runDir.keySecretFile };
}
