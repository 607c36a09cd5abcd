import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { readOperatorConfig, type OperatorConfig } from '../../../runtime/config/config.ts';
import { messageOf } from '../../../runtime/errors.ts';
import { RunDir } from '../../cluster/run-dir.ts';
import { UsageError } from '../../../runtime/terminal/errors.ts';

type Source = Readonly<Record<string, string | undefined>>;

/** Any of these says: the cluster is described by the environment. */
const STORES = ['ZOOKEEPER', 'REDIS', 'KEYS_DBS', 'URLS_DBS', 'USERS_DB'] as const;

const ClusterFile = z.object({
  zookeeper: z.object({ connect: z.string() }),
  redis: z.array(z.object({ name: z.string(), url: z.string() })),
  keysDbs: z.array(z.object({ name: z.string(), url: z.string() })),
  urlsDbs: z.array(z.object({ name: z.string(), url: z.string(), slots: z.string() })),
  usersDb: z.object({ url: z.string() }),
  mappers: z.array(z.object({ id: z.string(), url: z.string(), admin: z.string() })),
  producers: z.array(z.object({ id: z.string(), admin: z.string() })),
});
export type ClusterFile = z.infer<typeof ClusterFile>;

/** A cluster to ask, and how it was found. */
export interface Cluster {
  readonly config: OperatorConfig;
  /** What `up` wrote; undefined when the environment describes the cluster. */
  readonly file: ClusterFile | undefined;
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
  const file = readClusterFile(runDir.clusterFile);
  return { config: readOperatorConfig({ ...env, ...variablesOf(file), ...secretOf(env, runDir) }), file };
}

/** The ensemble alone, for what needs nothing else. @throws UsageError when no cluster is described */
export function findConnectString(env: Source): string {
  return env['KEYMILL_ZOOKEEPER'] || readClusterFile(runDirOf(env).clusterFile).zookeeper.connect;
}

/** Where `up` keeps its files: `KEYMILL_RUN_DIR`, or `.run` in the repository, wherever the command is typed. */
function runDirOf(env: Source): RunDir {
  return new RunDir(env['KEYMILL_RUN_DIR'] ?? '');
}

function readClusterFile(path: string): ClusterFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw new UsageError(
        `no cluster is running here (there is no ${path}).\n` +
          'Start one:        ./scripts/up --detach\n' +
          'Or point at one:  set KEYMILL_ZOOKEEPER, KEYMILL_REDIS, … (docs/configuration.md)',
      );
    }
    throw new UsageError(`${path} cannot be read: ${messageOf(error)}`);
  }
  try {
    return ClusterFile.parse(JSON.parse(text));
  } catch (error) {
    // A parser's own complaint would quote the file, passwords and all.
    const why = error instanceof z.ZodError ? z.prettifyError(error) : 'it is not JSON';
    throw new UsageError(`${path} is not what ./scripts/up writes: ${why}`);
  }
}

/** The same settings as variables, so that they pass the one validation there is. */
function variablesOf(file: ClusterFile): Source {
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
