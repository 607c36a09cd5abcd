import { readClusterFile, writeClusterFile } from '../../scripts/cluster/cluster-file.ts';
import { describeCluster } from '../../scripts/cluster/describe.ts';
import { addressesOf, type Addresses } from '../../scripts/cluster/environment.ts';
import { startLogKeeper } from '../../scripts/cluster/log-keeper.ts';
import { startMembers } from '../../scripts/cluster/members.ts';
import type { ProgressLog } from '../../scripts/cluster/progress-log.ts';
import type { RunDir } from '../../scripts/cluster/run-dir.ts';
import { startServers, type Launch } from '../../scripts/cluster/servers.ts';
import type { Shape } from '../../scripts/cluster/shape.ts';
import type { Counts, State } from '../../scripts/cluster/state.ts';
import { isFaultable, memberAddresses, startWire } from '../../scripts/cluster/wire.ts';

/** How a process that a drill starts differs from one that `up` starts. */
export interface StartOverrides {
  /** Additional variables in the environment of the process. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Other addresses of servers, for producers and mappers. */
  readonly addresses?: Partial<Addresses>;
  /** Additional arguments of MariaDB servers. */
  readonly mysqlArgs?: readonly string[];
}

interface Startable {
  readonly runDir: RunDir;
  readonly state: State;
  readonly shape: Shape;
  readonly counts: Counts;
  readonly progress: ProgressLog;
}

/** Starts every process of a cluster that does not run, and writes its `cluster.json` again. */
export async function startProcesses(
  { runDir, state, shape, counts, progress }: Startable,
  { environment = {}, addresses: overrides = {}, mysqlArgs = [] }: StartOverrides,
): Promise<void> {
  const launch: Launch = {
    runDir,
    state,
    progress,
    signal: new AbortController().signal,
    mysqlArgs,
    onSpawn: (id, kind, spawned) => state.recordProcess(id, kind, spawned),
  };
  await withEnvironment(environment, async () => {
    await startLogKeeper(launch);
    await startServers(shape, launch);
    if (isFaultable(state)) await startWire(shape, launch);
    const reserved = await startMembers(counts, { ...memberAddresses(shape, state), ...overrides }, launch);
    for (const port of reserved) port.release();
  });
  const addresses = addressesOf(shape, state, (id) => state.port(id) ?? 0);
  const workers = new Map(
    readClusterFile(runDir.clusterFile).producers.map(({ id, workerPid }) => [id, workerPid]),
  );
  writeClusterFile(runDir, describeCluster({ shape, counts, addresses, state, workers }));
}

/** Started processes inherit our environment: sets these variables while `work` runs. */
async function withEnvironment(
  environment: Readonly<Record<string, string>>,
  work: () => Promise<void>,
): Promise<void> {
  const before = new Map(Object.keys(environment).map((name) => [name, process.env[name]]));
  Object.assign(process.env, environment);
  try {
    await work();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}
