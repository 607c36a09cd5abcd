import { rmSync } from 'node:fs';
import { prepareBlobStore } from '../../db/blobs/open-blob-store.ts';
import { readOperatorConfig } from '../../runtime/config/config.ts';
import { UsageError } from '../../runtime/terminal/errors.ts';
import { explain } from './advice.ts';
import { writeClusterFile, type ClusterFile } from './cluster-file.ts';
import { usualCounts } from './counts.ts';
import { describeCluster } from './describe.ts';
import { addressesOf, blobsOf, processEnvironment, type Addresses } from './environment.ts';
import { ClusterError } from './errors.ts';
import { recordKeyspace } from './keyspace.ts';
import { startLogKeeper } from './log-keeper.ts';
import { outdatedMembers, scaleMembers, startMembers } from './members.ts';
import type { UpOptions } from './options.ts';
import { waitUntilReady } from './readiness.ts';
import { rollBackOf, runningIds, stopStarted } from './roll-back.ts';
import { migrateAll } from './schema.ts';
import { startServers, type Launch } from './servers.ts';
import { isSmall, onSmallCluster, refuseWhileGrowing, resolveShape, type Shape } from './shape.ts';
import { stripSources } from './small-node.ts';
import type { Counts, State } from './state.ts';
import { forgetEndedSurplus, endSurplusServers } from './wanted.ts';
import { isFaultable, memberAddresses, startWire } from './wire.ts';

/** What `up` may do to processes that run already. */
interface Liberty {
  /** Whether members with other stores or settings are restarted, and servers that nobody uses then end. */
  readonly renews: boolean;
  /** Whether surplus members end. */
  readonly ends: boolean;
}

/**
 * A repair starts only what is missing: restarting the next mapper with settings with which the one before
 * has just ended would stop all. While a step of `keymill grow` is half done, that alone restarts mappers.
 * Pure.
 */
export function libertyOf(isRepair: boolean, growth: State['growth']): Liberty {
  return { renews: !isRepair && growth?.unfinished === undefined, ends: !isRepair };
}

/**
 * Brings the cluster to the state that the options describe: starts missing processes, stops surplus ones,
 * waits until every part is ready, and writes `cluster.json`. When it fails or is aborted, it first stops
 * what it started, and leaves what ran before.
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
  const ranBefore = runningIds(state);
  const startedHere: string[] = [];
  const onSpawn: Launch['onSpawn'] = (id, kind, spawned) => {
    startedHere.push(id);
    state.recordProcess(id, kind, spawned);
  };
  const launch: Launch = { ...context, onSpawn };
  try {
    const stripping = isSmall(shape) && !isAnythingRunning(state) ? stripSources(signal) : undefined;
    await startServers(shape, launch);
    await stripping;
    await startLogKeeper(launch);
    if (options.faultable || isFaultable(state)) await startWire(shape, launch);
    const addresses = addressesOf(shape, state, (id) => portOf(state, id));
    return options.serversOnly ? undefined : await bringUpMembers({ options, shape, addresses }, launch);
  } catch (error) {
    const started = state.processes().filter(({ id }) => startedHere.includes(id));
    const { stops, restoresStores } = rollBackOf(started, ranBefore, runningIds(state));
    await stopStarted(stops, state, progress);
    if (restoresStores && before.shape !== undefined) {
      state.recordShape(before.shape);
      state.recordSetup(before.setup);
    }
    state.recordCounts(isAnythingRunning(state) ? before.counts : undefined);
    if (!ranBefore.isSubsetOf(runningIds(state))) await startAgain(launch);
    throw signal.aborted ? signal.reason : explain(error);
  }
}

/** After a failure on a running cluster: members that have ended meanwhile start with the former settings. */
async function startAgain(launch: Launch): Promise<void> {
  const { shape, counts } = launch.state;
  if (shape === undefined || counts === undefined) return;
  const { signal } = new AbortController();
  const again = { ...launch, signal };
  const reserved = await startMembers(counts, memberAddresses(shape, launch.state), again).catch(() => []);
  for (const port of reserved) port.release();
}

async function bringUpMembers(
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
  forgetEndedSurplus(shape, counts, state);
  const liberty = libertyOf(options.repair, state.growth);
  const forMembers = memberAddresses(shape, state);
  const lagging = liberty.renews ? [] : outdatedMembers(counts, forMembers, launch);
  if (lagging.length > 0)
    progress.line(`not restarted, with former settings: ${lagging.map(({ id }) => id).join(', ')}`);
  const reserved = await scaleMembers(counts, forMembers, launch, liberty);
  try {
    const members = isSmall(shape) ? '' : `${counted(counts.producers, 'producer')} and `;
    progress.line(`${members}${counted(counts.mappers, 'mapper')} started`);
    const workers = await waitUntilReady({ shape, counts, addresses }, launch);
    if (liberty.renews) await endSurplusServers(shape, counts, launch);
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
  return runningIds(state).size > 0;
}

function portOf(state: State, id: string): number {
  const port = state.port(id);
  if (port === undefined) throw new ClusterError(`${id} has no port on record`);
  return port;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
