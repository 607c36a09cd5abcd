import { rmSync } from 'node:fs';
import { prepareBlobStore } from '../../db/blobs/open-blob-store.ts';
import { readOperatorConfig } from '../../runtime/config/config.ts';
import { UsageError } from '../../runtime/terminal/errors.ts';
import { explain } from './advice.ts';
import { writeClusterFile, type ClusterFile } from './cluster-file.ts';
import { compileMapper } from './compile-mapper.ts';
import { describeCluster } from './describe.ts';
import { addressesOf, blobsOf, numbered, processEnvironment, type Addresses } from './environment.ts';
import { ClusterError } from './errors.ts';
import { recordKeyspace } from './keyspace.ts';
import { startLogKeeper } from './log-keeper.ts';
import { scaleMembers } from './members.ts';
import type { UpOptions } from './options.ts';
import type { ProgressLog } from './progress-log.ts';
import { waitUntilReady } from './readiness.ts';
import { migrateAll } from './schema.ts';
import { startServers, type Launch } from './servers.ts';
import { isSmall, onSmallCluster, refuseWhileGrowing, resolveShape, type Shape } from './shape.ts';
import type { Counts, State } from './state.ts';
import { stopRecorded } from './stop.ts';
import { isFaultable, memberAddresses, startWire } from './wire.ts';

/** The numbers of a first start without options. */
const DEFAULT_COUNTS: Counts = { producers: 3, mappers: 2, processesPerMapper: 1 };
const SMALL_COUNTS: Counts = { producers: 0, mappers: 1, processesPerMapper: 1 };

/** The numbers of a cluster that was down. A growing one may have keys-dbs and no producers yet. */
function usualCounts(shape: Shape, { setup, growth }: State): Counts {
  if (setup.keySource === 'pools' && !isSmall(shape)) return DEFAULT_COUNTS;
  return growth === undefined ? SMALL_COUNTS : { ...SMALL_COUNTS, mappers: DEFAULT_COUNTS.mappers };
}

/**
 * Brings the cluster to the state that the options describe: starts missing processes, stops surplus ones,
 * waits until every part is ready, and writes `cluster.json`. When it fails or is aborted, it first stops
 * everything that it started.
 * @returns the content of `cluster.json`; undefined with `--servers-only`
 * @throws UsageError when the data forbids the shape, ClusterError with the reason when a part does not
 *   become ready
 */
export async function bringUp(
  options: UpOptions,
  context: Omit<Launch, 'onSpawn'>,
): Promise<ClusterFile | undefined> {
  const { runDir, state, progress, signal } = context;
  const shape = resolveShape(options, existingOf(state));
  runDir.make();
  if (!isAnythingRunning(state)) {
    // After a crash of the machine, the files still describe processes that are gone.
    rmSync(runDir.clusterFile, { force: true });
    state.recordCounts(undefined);
    for (const { id } of state.processes()) state.forgetProcess(id);
  }
  refuseFullOptions(options, shape);
  if (state.isEstablished && state.setup.keySource === 'counter') refuseWhileGrowing(options, shape);
  refuseLateOpening(options, state);
  if (!isSmall(shape)) state.chooseZookeeperAuth({ isOpen: options.zookeeperOpen });
  const before = { shape: state.shape, setup: state.setup, counts: state.counts };
  state.recordShape(shape);
  // A cluster that has grown and lost its ZooKeeper again keeps what its other steps have recorded.
  if (isSmall(shape) && state.growth === undefined)
    state.recordSetup({ keySource: 'counter', memory: 'small' });
  const startedHere: string[] = [];
  const onSpawn: Launch['onSpawn'] = (id, kind, spawned) => {
    startedHere.push(id);
    state.recordProcess(id, kind, spawned);
  };
  const launch: Launch = { ...context, onSpawn };
  try {
    const compiling = isSmall(shape) && !isAnythingRunning(state) ? compileMapper(signal) : undefined;
    await startServers(shape, launch);
    await compiling;
    await startLogKeeper(launch);
    if (options.faultable || isFaultable(state)) await startWire(shape, launch);
    const addresses = addressesOf(shape, state, (id) => portOf(state, id));
    return options.serversOnly ? undefined : await startMembers({ options, shape, addresses }, launch);
  } catch (error) {
    await stopStarted(state, startedHere, progress);
    // Only processes that ran before this call still run.
    if (before.shape !== undefined) {
      state.recordShape(before.shape);
      state.recordSetup(before.setup);
    }
    state.recordCounts(isAnythingRunning(state) ? before.counts : undefined);
    throw signal.aborted ? signal.reason : explain(error);
  }
}

async function startMembers(
  { options, shape, addresses }: { options: UpOptions; shape: Shape; addresses: Addresses },
  launch: Launch,
): Promise<ClusterFile> {
  const { runDir, state, progress } = launch;
  const before = state.counts ?? usualCounts(shape, state);
  const counts: Counts = {
    producers: options.producers ?? before.producers,
    mappers: options.mappers ?? before.mappers,
    processesPerMapper: options.processesPerMapper ?? before.processesPerMapper,
  };
  state.recordEstablished();
  await prepareStores(addresses, launch);
  progress.line('databases ready');
  state.recordCounts(counts);
  const reserved = await scaleMembers(counts, memberAddresses(shape, state), launch);
  try {
    const members = isSmall(shape) ? '' : `${counted(counts.producers, 'producer')} and `;
    progress.line(`${members}${counted(counts.mappers, 'mapper')} started`);
    const workers = await waitUntilReady(counts, addresses, launch);
    await endSurplusRedis(shape, launch);
    const file = describeCluster({ shape, counts, addresses, state, workers, blobs: blobsOf(runDir) });
    writeClusterFile(runDir, file);
    return file;
  } finally {
    for (const port of reserved) port.release();
  }
}

/**
 * Creates missing databases, brings their tables up to date and records the keyspace in them. Idempotent.
 * @throws MismatchError when one belongs to another keyspace
 */
export async function prepareStores(
  addresses: Addresses,
  { runDir, state }: Pick<Launch, 'runDir' | 'state'>,
): Promise<void> {
  await migrateAll(addresses);
  const config = readOperatorConfig(processEnvironment({ runDir, state, addresses, own: {} }));
  await recordKeyspace(config.stores);
  if (config.blobs !== undefined) await prepareBlobStore(config.blobs);
}

/** Stops surplus Redis servers last, when no process uses them any more. Their keys are recycled later. */
export async function endSurplusRedis(shape: Shape, { state, progress }: Launch): Promise<void> {
  const keep = new Set(numbered('redis', shape.redis));
  const surplus = state.processes().filter(({ id, kind }) => kind === 'redis' && !keep.has(id));
  if (surplus.length > 0) progress.line(`stopping ${surplus.map(({ id }) => id).join(', ')} …`);
  await Promise.all(surplus.map(async (entry) => stopRecorded(entry, state, progress)));
}

function refuseFullOptions({ producers, zookeeperOpen }: UpOptions, shape: Shape): void {
  const given = [
    ...(producers === undefined ? [] : ['--producers']),
    ...(zookeeperOpen ? ['--zookeeper-open'] : []),
  ];
  if (isSmall(shape) && given.length > 0) throw new UsageError(onSmallCluster(given));
}

/** Nodes that belong to credentials stay so in the data of ZooKeeper. */
function refuseLateOpening({ zookeeperOpen }: UpOptions, { isEstablished, zookeeperAuth }: State): void {
  if (zookeeperOpen && isEstablished && zookeeperAuth !== undefined)
    throw new UsageError(
      '--zookeeper-open: the nodes of this cluster belong to its credentials. Leave the option out, or start from scratch: ./scripts/down --wipe',
    );
}

function existingOf(state: State): Parameters<typeof resolveShape>[1] {
  const { shape, isEstablished } = state;
  return shape === undefined ? undefined : { shape, isEstablished };
}

function isAnythingRunning(state: State): boolean {
  return state.processes().some(({ id }) => state.findRunning(id) !== undefined);
}

function portOf(state: State, id: string): number {
  const port = state.port(id);
  if (port === undefined) throw new ClusterError(`${id} has no port on record`);
  return port;
}

async function stopStarted(state: State, ids: readonly string[], progress: ProgressLog): Promise<void> {
  if (ids.length > 0) progress.line('stopping the started processes …');
  const entries = state.processes().filter(({ id }) => ids.includes(id));
  for (const group of [['mapper'], ['producer'], ['wire', 'redis', 'mysql', 'zookeeper', 'log-keeper']]) {
    await Promise.all(
      entries
        .filter(({ kind }) => group.includes(kind))
        .map(async (entry) => stopRecorded(entry, state, progress)),
    );
  }
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
