import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../../runtime/errors.ts';
import { parseJsonAs } from '../../runtime/json-schema.ts';
import { UsageError } from '../../runtime/terminal/errors.ts';
import { FolderIdentity, isCopy, RunDir, writePrivateFile } from './run-dir.ts';

/**
 * `cluster.json`: which parts of a cluster run where. `up` writes it; the operator's commands, drills,
 * benches, tests and scripts outside this repository read it, so its fields stay as they are.
 */

const Mapper = z.object({ id: z.string(), url: z.string(), admin: z.string() });
const Producer = z.object({ id: z.string(), admin: z.string() });
const ZookeeperServer = z.object({ id: z.number(), port: z.number() });
const Zookeeper = z.object({
  /** Empty: there is no ZooKeeper. */
  connect: z.string(),
  /** `user:password`; without it, everybody may change the nodes. */
  auth: z.string().optional(),
});
const RedisServer = z.object({ name: z.string(), url: z.string() });
const MysqlServer = z.object({ name: z.string(), port: z.number() });

/** The fields that a cluster of processes and a cluster of containers have in common. */
const AnyClusterFile = z.object({
  mappers: z.array(Mapper),
  producers: z.array(Producer),
  zookeeper: Zookeeper.extend({ servers: z.array(ZookeeperServer) }),
  redis: z.array(RedisServer),
  mysql: z.array(MysqlServer),
  keysDbs: z.array(z.object({ name: z.string(), url: z.string() })),
  urlsDbs: z.array(z.object({ name: z.string(), url: z.string(), slots: z.string() })),
  usersDb: z.object({ url: z.string() }),
  /** `counter` in a small cluster, which has no ZooKeeper and no keys-dbs. Absent: from the pools. */
  keySource: z.literal('counter').optional(),
  /** The value of KEYMILL_BLOBS; absent when only the processes know it. */
  blobs: z.string().optional(),
  /** For the admin ports. Absent in the file of an older version, whose admin ports want none. */
  adminToken: z.string().optional(),
  /** The run folder that it was written in: a copy describes the cluster of the original. */
  folder: FolderIdentity.optional(),
});
export type AnyClusterFile = z.infer<typeof AnyClusterFile>;

const process = { pid: z.number() };

const WireEntry = z.object({
  /** `POST <control>/redis-1` makes a fault (drills/proxy/wire-control.ts). */
  control: z.string(),
  pid: z.number(),
  proxies: z.array(z.object({ name: z.string(), port: z.number() })),
});
export type WireEntry = z.infer<typeof WireEntry>;

/** `cluster.json` of a cluster whose parts are processes of this machine. */
const ClusterFile = AnyClusterFile.extend({
  mappers: z.array(Mapper.extend(process)),
  producers: z.array(Producer.extend({ supervisorPid: z.number(), workerPid: z.number() })),
  zookeeper: Zookeeper.extend({ servers: z.array(ZookeeperServer.extend(process)) }),
  redis: z.array(RedisServer.extend(process)),
  mysql: z.array(MysqlServer.extend(process)),
  /**
   * Only with `up --faultable`. The other addresses are the servers' own; producers and mappers connect
   * through the wire.
   */
  wire: WireEntry.optional(),
});
export type ClusterFile = z.infer<typeof ClusterFile>;

const container = { container: z.string() };

/** `cluster.json` of a cluster in containers: names of containers in place of process ids. */
const ContainerClusterFile = AnyClusterFile.extend({
  mappers: z.array(Mapper.extend(container)),
  producers: z.array(Producer.extend(container)),
  zookeeper: Zookeeper.extend({ servers: z.array(ZookeeperServer.extend(container)) }),
  redis: z.array(RedisServer.extend(container)),
  mysql: z.array(MysqlServer.extend(container)),
  /** The one published port. */
  publicUrl: z.string(),
});
export type ContainerClusterFile = z.infer<typeof ContainerClusterFile>;

/**
 * Reads the `cluster.json` of either kind of cluster.
 * @throws UsageError when there is none or it cannot be read; the message says what to do
 */
export function readAnyClusterFile(path: string): AnyClusterFile {
  return readAs(AnyClusterFile, path);
}

/**
 * Reads the `cluster.json` of a cluster of processes.
 * @throws UsageError when there is none, it cannot be read, or it describes containers
 */
export function readClusterFile(path: string): ClusterFile {
  return readAs(ClusterFile, path);
}

export function writeClusterFile(runDir: RunDir, file: ClusterFile | ContainerClusterFile): void {
  const written = { ...file, folder: runDir.identity };
  writePrivateFile(runDir.clusterFile, `${JSON.stringify(written, null, 2)}\n`);
}

function readAs<T extends AnyClusterFile>(schema: z.ZodType<T>, path: string): T {
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
  const file = parse(schema, text, path);
  if (isCopy(file.folder, new RunDir(dirname(path)).identity)) {
    throw new UsageError(
      `${path} is a copy: it describes the cluster of ${file.folder?.path}.\n` +
        `For that cluster:      set KEYMILL_RUN_DIR=${file.folder?.path}\n` +
        'For one of your own:   ./scripts/up --detach',
    );
  }
  return file;
}

function parse<T>(schema: z.ZodType<T>, text: string, path: string): T {
  try {
    return parseJsonAs(schema, text);
  } catch (error) {
    throw new UsageError(`${path} is not what ./scripts/up writes: ${messageOf(error)}`);
  }
}
