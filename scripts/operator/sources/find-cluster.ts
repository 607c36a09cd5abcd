import { readOperatorConfig, type OperatorConfig } from '../../../runtime/config/config.ts';
import { readAnyClusterFile, type AnyClusterFile } from '../../cluster/cluster-file.ts';
import { RunDir } from '../../cluster/run-dir.ts';

type Source = Readonly<Record<string, string | undefined>>;

/** Any of these says: the cluster is described by the environment. */
const STORES = ['ZOOKEEPER', 'REDIS', 'KEYS_DBS', 'URLS_DBS', 'USERS_DB'] as const;

/** A cluster to ask, and how it was found. */
export interface Cluster {
  readonly config: OperatorConfig;
  /** What `up` wrote; undefined when the environment describes the cluster. */
  readonly file: AnyClusterFile | undefined;
}

/**
 * Finds the cluster as the processes do, by the `KEYMILL_` variables; without them, the one that `./scripts/up` runs.
 * @throws UsageError when there is none, in words that say what to type
 * @throws ConfigError when the variables are wrong
 */
export function findCluster(env: Source): Cluster {
  const isDescribed = STORES.some((name) => env[`KEYMILL_${name}`] || env[`KEYMILL_${name}_FILE`]);
  if (isDescribed) return { config: readOperatorConfig(env), file: undefined };
  const runDir = runDirOf(env);
  const file = readAnyClusterFile(runDir.clusterFile);
  return { config: readOperatorConfig({ ...env, ...variablesOf(file), ...secretOf(env, runDir) }), file };
}

/** The ensemble alone, for what needs nothing else. @throws UsageError when no cluster is described */
export function findConnectString(env: Source): string {
  return env['KEYMILL_ZOOKEEPER'] || readAnyClusterFile(runDirOf(env).clusterFile).zookeeper.connect;
}

/** Where `up` keeps its files: `KEYMILL_RUN_DIR`, or `.run` in the repository, wherever the command is typed. */
function runDirOf(env: Source): RunDir {
  return new RunDir(env['KEYMILL_RUN_DIR'] ?? '');
}

/** The same settings as variables, so that they pass the one validation there is. */
function variablesOf(file: AnyClusterFile): Source {
  const list = (entries: readonly { name: string; url: string }[]): string =>
    entries.map(({ name, url }) => `${name}=${url}`).join(',');
  return {
    KEYMILL_ZOOKEEPER: file.zookeeper.connect,
    KEYMILL_REDIS: list(file.redis),
    KEYMILL_KEYS_DBS: list(file.keysDbs),
    KEYMILL_URLS_DBS: list(
      file.urlsDbs.map(({ name, slots, url }) => ({ name: `${name}:${slots.replaceAll(',', '+')}`, url })),
    ),
    KEYMILL_USERS_DB: file.usersDb.url,
  };
}

/** The secret that shuffles the keys is not in the cluster file: that one is read by many, this by few. */
function secretOf(env: Source, runDir: RunDir): Source {
  if (env['KEYMILL_KEY_SECRET'] || env['KEYMILL_KEY_SECRET_FILE']) return {};
  return { KEYMILL_KEY_SECRET_FILE: runDir.keySecretFile };
}
