import type { Connection } from './connection.ts';
import { isCoordinationError } from './errors.ts';
import { OWN_PATHS } from './paths.ts';

/** ZooKeeper's own node, which every ensemble has. */
const ZOOKEEPERS_OWN = 'zookeeper';

/**
 * With credentials: allows everybody else only to read the nodes that all our processes share. A process with
 * credentials creates each node that way. This is for nodes that were created before, without credentials.
 *
 * The root of our tree is protected too: who may delete `/shard-locks` while no lock is held, and create it
 * again, keeps all producers out. Our root is the chroot. Without one it is `/`, but only while no node of
 * others stands there, because they may need to create more.
 *
 * A node that already belongs to other credentials stays as it is: the operation that needs it fails then,
 * and says why.
 * @throws CoordinationError; a node may vanish, or get other credentials, while this runs
 */
export async function protectTree(connection: Connection, deadlineMs: number): Promise<void> {
  const isOpen = async (path: string): Promise<boolean> =>
    connection.isOpen(path, deadlineMs).catch((error: unknown) => {
      if (isCoordinationError(error, 'NO_NODE', 'NO_AUTH')) return false;
      throw error;
    });
  const paths = ['/', ...OWN_PATHS];
  // All at once: this is part of the opening of each session.
  const [names, ...answers] = await Promise.all([connection.children('/', deadlineMs), ...paths.map(isOpen)]);
  const open = paths.filter((_, index) => answers[index] === true);
  const ours = isOurRoot(connection.hasChroot, names) ? open : open.filter((path) => path !== '/');
  await Promise.all(ours.map(async (path) => connection.protect(path, deadlineMs)));
}

/** Whether nobody else uses the node above our paths. */
export function isOurRoot(hasChroot: boolean, names: readonly string[]): boolean {
  return (
    hasChroot ||
    names.every((name) => name === ZOOKEEPERS_OWN || OWN_PATHS.some((path) => path === `/${name}`))
  );
}
