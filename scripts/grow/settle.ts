import { endSurplusRedis, prepareStores } from '../cluster/bring-up.ts';
import { writeClusterFile } from '../cluster/cluster-file.ts';
import { describeCluster } from '../cluster/describe.ts';
import { addressesOf, blobsOf, numbered, type Addresses } from '../cluster/environment.ts';
import { ClusterError } from '../cluster/errors.ts';
import { endSurplusMembers, outdatedMembers, renewMembers, startMembers } from '../cluster/members.ts';
import { waitUntilReady } from '../cluster/readiness.ts';
import { startServers, type Launch } from '../cluster/servers.ts';
import type { Shape } from '../cluster/shape.ts';
import type { Counts, State } from '../cluster/state.ts';
import { stopRecorded } from '../cluster/stop.ts';

/** What the record says, which is what a step makes true. */
export interface Recorded {
  readonly shape: Shape;
  readonly counts: Counts;
  readonly addresses: Addresses;
}

/** @throws ClusterError when the cluster is down */
export function recordedOf(state: State): Recorded {
  const { shape, counts } = state;
  if (shape === undefined || counts === undefined)
    throw new ClusterError('the cluster is down. Start it first: ./scripts/up --detach');
  return { shape, counts, addresses: addressesOf(shape, state, (id) => state.port(id) ?? 0) };
}

interface Settling {
  /** Whether members that were started with other stores or settings are restarted, one at a time. */
  readonly renews: boolean;
  /** Called when nobody uses the servers any more that end now. */
  readonly beforeServersEnd?: (() => Promise<void>) | undefined;
}

/**
 * Makes a running cluster what its record says, while it serves: starts what is missing, waits until all is
 * ready, restarts members, ends what is too much, and writes `cluster.json`. Unlike `bringUp`, it leaves
 * everything as it is when it fails or is killed. It may be called again then.
 * @throws ClusterError when something does not become ready
 */
export async function settle({ renews, beforeServersEnd }: Settling, launch: Launch): Promise<void> {
  const { runDir, state } = launch;
  const before = recordedOf(state);
  await startServers(before.shape, launch);
  // The servers that were just started have got their ports.
  const { shape, counts, addresses } = recordedOf(state);
  await prepareStores(addresses, launch);
  const reserved = await startMembers(counts, addresses, launch);
  try {
    let workers = await waitUntilReady(counts, addresses, launch);
    if (renews && outdatedMembers(counts, addresses, launch).length > 0) {
      refuseOutage(counts);
      await renewMembers(counts, addresses, launch);
      workers = await waitUntilReady(counts, addresses, launch);
    }
    await endSurplusMembers(counts, launch);
    await beforeServersEnd?.();
    await endSurplusRedis(shape, launch);
    await endSurplusZookeepers(shape, launch);
    const described = { shape, counts, addresses, state, workers, blobs: blobsOf(runDir) };
    writeClusterFile(runDir, describeCluster(described));
  } finally {
    for (const port of reserved) port.release();
  }
}

/** @throws ClusterError when nobody would serve while the only mapper is restarted */
function refuseOutage({ mappers }: Counts): void {
  if (mappers < 2)
    throw new ClusterError(
      'mapper-1 must be restarted, and no other mapper would serve meanwhile. First: ./scripts/keymill grow --step mapper',
    );
}

async function endSurplusZookeepers(shape: Shape, { state, progress }: Launch): Promise<void> {
  const keep = new Set(numbered('zookeeper', shape.zookeepers));
  const surplus = state.processes().filter(({ id, kind }) => kind === 'zookeeper' && !keep.has(id));
  if (surplus.length > 0) progress.line(`stopping ${surplus.map(({ id }) => id).join(', ')} …`);
  await Promise.all(surplus.map(async (entry) => stopRecorded(entry, state, progress)));
}
