import { prepareStores } from '../cluster/bring-up.ts';
import { writeClusterFile } from '../cluster/cluster-file.ts';
import { describeCluster } from '../cluster/describe.ts';
import { addressesOf, blobsOf, type Addresses } from '../cluster/environment.ts';
import { ClusterError } from '../cluster/errors.ts';
import { startLogKeeper } from '../cluster/log-keeper.ts';
import { endSurplusMembers, outdatedMembers, renewMembers, startMembers } from '../cluster/members.ts';
import { waitUntilReady } from '../cluster/readiness.ts';
import { startServers, type Launch } from '../cluster/servers.ts';
import type { Shape } from '../cluster/shape.ts';
import type { Counts, State } from '../cluster/state.ts';
import { endSurplusServers, forgetEndedSurplus } from '../cluster/wanted.ts';
import type { Unfinished } from './plan.ts';

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
  /** On the way back, ZooKeeper and producers are neither started nor waited for: they may be the fault. */
  readonly way: Unfinished['way'];
  /** Whether members that were started with other stores or settings are restarted, one at a time. */
  readonly renews: boolean;
  /** Whether the pools must be full, though no mapper takes keys from them yet. */
  readonly fillsPools: boolean;
  /** Called when nobody uses the servers any more that end now. */
  readonly beforeServersEnd?: (() => Promise<void>) | undefined;
}

/**
 * Makes a running cluster what its record says, while it serves: starts what is missing, waits until all is
 * ready, restarts members, ends what is too much, and writes `cluster.json`. Unlike `bringUp`, it leaves
 * everything as it is when it fails or is killed. It may be called again then.
 * @throws ClusterError when something does not become ready
 */
export async function settle(
  { way, renews, fillsPools, beforeServersEnd }: Settling,
  launch: Launch,
): Promise<void> {
  const { runDir, state } = launch;
  const isBack = way === 'undo';
  const before = recordedOf(state);
  forgetEndedSurplus(before.shape, before.counts, state);
  await startLogKeeper(launch);
  await startServers(isBack ? { ...before.shape, zookeepers: 0 } : before.shape, launch);
  // The servers that were just started have got their ports.
  const recorded = recordedOf(state);
  const { shape, counts, addresses } = recorded;
  await prepareStores(addresses, launch);
  const reserved = await startMembers(isBack ? { ...counts, producers: 0 } : counts, addresses, launch);
  try {
    let workers = await waitUntilReady(recorded, launch, { fillsPools });
    if (renews && outdatedMembers(counts, addresses, launch).length > 0) {
      refuseOutage(counts);
      await renewMembers(counts, addresses, launch);
      workers = await waitUntilReady(recorded, launch, { fillsPools });
    }
    await endSurplusMembers(counts, launch);
    await beforeServersEnd?.();
    await endSurplusServers(shape, counts, launch);
    const described = { shape, counts, addresses, state, workers, blobs: blobsOf(runDir) };
    writeClusterFile(runDir, describeCluster(described));
  } finally {
    for (const port of reserved) port.release();
  }
}

/** @throws ClusterError when nobody would serve while the only mapper is restarted */
export function refuseOutage({ mappers }: Counts): void {
  if (mappers < 2)
    throw new ClusterError(
      'mapper-1 must be restarted, and no other mapper would serve meanwhile. First: ./scripts/up --mappers 2 --detach',
    );
}
