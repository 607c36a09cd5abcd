import type { ProcessIdentity } from '../servers/identity.ts';
import { startMariaDb } from '../servers/mariadb.ts';
import type { RunningServer } from '../servers/process.ts';
import { startRedis } from '../servers/redis.ts';
import {
  startZooKeeper,
  startZooKeeperServer,
  type ZooKeeperOptions,
  type ZooKeeperPorts,
} from '../servers/zookeeper.ts';
import { firstPort, numbered, TOKEN_VARIABLE } from './environment.ts';
import type { ProgressLog } from './progress-log.ts';
import type { RunDir } from './run-dir.ts';
import { isSmall, mysqlServersOf, type Shape } from './shape.ts';
import { SMALL_MALLOC } from './small-node.ts';
import type { Kind, State } from './state.ts';

/** What every start of a process needs. */
export interface Launch {
  readonly runDir: RunDir;
  readonly state: State;
  readonly progress: ProgressLog;
  /** Aborted when the start is cancelled. */
  readonly signal: AbortSignal;
  /** Called for every process as soon as it exists. */
  readonly onSpawn: (id: string, kind: Kind, spawned: ProcessIdentity) => void;
  /** Additional arguments of the MariaDB servers that are started. */
  readonly mysqlArgs?: readonly string[];
}

/** The usual ports. Busy ones are skipped. */
const USUAL_PORTS = { zookeeper: 2181, quorum: 2888, election: 3888, redis: 6379, mysql: 3306 };

/**
 * Starts all servers of the shape that do not run, at the same time. Rejects with the first failure, after
 * every start has ended.
 */
export async function startServers(shape: Shape, launch: Launch): Promise<void> {
  const starts = [
    ...(isSmall(shape) ? [] : [startEnsemble(shape, launch)]),
    ...numbered('redis', shape.redis).map(async (id) => startRedisOf(id, launch)),
    startMysqlServers(shape, launch),
  ];
  await allSettledOrThrow(starts);
}

/** Starts the MariaDB servers of the shape that do not run, as {@link startServers} does. */
export async function startMysqlServers({ mysqlServers }: Shape, launch: Launch): Promise<void> {
  const starts = mysqlServersOf(mysqlServers).map(async ({ name }, index) =>
    startMysqlOf(name, USUAL_PORTS.mysql + index, launch),
  );
  await allSettledOrThrow(starts);
}

/**
 * Waits for all, then throws the first failure. So no server is still starting when the caller begins to stop
 * them.
 */
export async function allSettledOrThrow(starts: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(starts);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** Starts this Redis server, `redis-3`, if it does not run. */
export async function startRedisOf(id: string, launch: Launch): Promise<void> {
  const { runDir, state } = launch;
  const usualPort = USUAL_PORTS.redis + Number(id.replace('redis-', '')) - 1;
  await startUnlessRunning({ id, kind: 'redis' }, launch, async (common) =>
    startRedis({
      ...common,
      id,
      dir: runDir.dataOf(id),
      port: state.port(id) ?? firstPort(usualPort),
      password: state.redisPassword,
    }),
  );
}

async function startMysqlOf(id: string, usualPort: number, launch: Launch): Promise<void> {
  const { runDir, state } = launch;
  await startUnlessRunning({ id, kind: 'mysql' }, launch, async (common) =>
    startMariaDb({
      ...common,
      id,
      dir: runDir.dataOf(id),
      port: state.port(id) ?? firstPort(usualPort),
      password: state.mysqlPassword,
      ...(state.setup.memory === 'small' ? SMALL_MYSQL_SIZES : MYSQL_SIZES),
      env: { ...common.env, ...(state.setup.memory === 'small' && SMALL_MALLOC) },
      extraArgs: [...(state.setup.memory === 'small' ? SMALL_MYSQL_ARGS : []), ...(launch.mysqlArgs ?? [])],
    }),
  );
}

/** The memory and the redo log of each MariaDB server. */
export const MYSQL_SIZES = { bufferPool: '1G', redoLog: '1G' };

/** Those of a small cluster. */
export const SMALL_MYSQL_SIZES = { bufferPool: '64M', redoLog: '96M' };
export const SMALL_MYSQL_CONNECTIONS = 100;
export const SMALL_MYSQL_ARGS = [
  `--max-connections=${SMALL_MYSQL_CONNECTIONS}`,
  // MyISAM and Aria, which we do not use for tables, take 144 MB of address space, and fill it at the start.
  '--key-buffer-size=64K',
  '--aria-pagecache-buffer-size=1M',
  '--innodb-log-buffer-size=2M',
  '--query-cache-size=0',
  // So many pages of the pool are kept free: by default a quarter of so small a pool.
  '--innodb-lru-scan-depth=100',
  // Three of these are allocated at the start, for indexes that a migration makes.
  '--innodb-sort-buffer-size=64K',
  // Each thread has a stack and buffers of its own.
  '--innodb-read-io-threads=1',
  '--innodb-write-io-threads=2',
  '--innodb-purge-threads=1',
];

interface Common {
  readonly logFile: string;
  readonly dieWithParent: false;
  readonly env: NodeJS.ProcessEnv;
  readonly onSpawn: (spawned: ProcessIdentity) => void;
  readonly signal: AbortSignal;
}

async function startUnlessRunning(
  { id, kind }: { id: string; kind: Kind },
  launch: Launch,
  start: (common: Common) => Promise<RunningServer>,
): Promise<void> {
  if (launch.state.findRunning(id) !== undefined) return;
  const began = launch.progress.seconds;
  const server = await start({
    logFile: launch.runDir.logOf(id),
    dieWithParent: false,
    env: serverEnvironment(launch.state),
    onSpawn: (spawned) => launch.onSpawn(id, kind, spawned),
    signal: launch.signal,
  });
  launch.state.recordPort(id, server.port);
  launch.progress.line(
    `${id} ready on port ${server.port} (${(launch.progress.seconds - began).toFixed(1)} s)`,
  );
}

function serverEnvironment(state: State): NodeJS.ProcessEnv {
  return { ...process.env, [TOKEN_VARIABLE]: state.token };
}

/**
 * Starts the whole ensemble, or only its missing servers on their old ports, which the other servers are
 * configured with.
 */
async function startEnsemble({ zookeepers }: Shape, launch: Launch): Promise<void> {
  const { runDir, state, progress } = launch;
  const ids = numbered('zookeeper', zookeepers);
  const missing = ids.filter((id) => state.findRunning(id) === undefined);
  if (missing.length === 0) return;
  const began = progress.seconds;
  const ports = ids.map((_, index) => recordedPorts(state, index));
  const options: ZooKeeperOptions = {
    dir: runDir.data,
    servers: zookeepers,
    ports,
    logFile: (id) => runDir.logOf(id),
    dieWithParent: false,
    env: serverEnvironment(state),
    signal: launch.signal,
    onSpawnOf: (id, spawned) => launch.onSpawn(id, 'zookeeper', spawned),
    onPorts: (chosen) => recordPorts(state, chosen),
  };
  if (missing.length === ids.length) {
    await startZooKeeper(options);
  } else {
    await allSettledOrThrow(
      missing.map(async (id) => void (await startZooKeeperServer({ options, ports }, ids.indexOf(id) + 1))),
    );
  }
  const listening = missing.map((id) => state.port(id)).join(', ');
  progress.line(
    `${missing.join(', ')} ready on port ${listening} (${(progress.seconds - began).toFixed(1)} s)`,
  );
}

function recordedPorts(state: State, index: number): ZooKeeperPorts {
  const id = `zookeeper-${index + 1}`;
  return {
    client: state.port(id) ?? firstPort(USUAL_PORTS.zookeeper + index),
    quorum: state.port(`${id}/quorum`) ?? firstPort(USUAL_PORTS.quorum + index),
    election: state.port(`${id}/election`) ?? firstPort(USUAL_PORTS.election + index),
  };
}

function recordPorts(state: State, ports: readonly ZooKeeperPorts[]): void {
  ports.forEach(({ client, quorum, election }, index) => {
    const id = `zookeeper-${index + 1}`;
    state.recordPort(id, client);
    state.recordPort(`${id}/quorum`, quorum);
    state.recordPort(`${id}/election`, election);
  });
}
