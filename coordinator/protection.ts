import type { Connection } from './connection.ts';
import { isCoordinationError } from './errors.ts';
import { OWN_PATHS } from './paths.ts';

/** ZooKeeper's own node, which every ensemble has. */
const ZOOKEEPERS_OWN = 'zookeeper';
/** Those of its nodes that are open to everybody. Its third one, `/zookeeper/config`, is not. */
const ZOOKEEPERS_OPEN_PATHS = [`/${ZOOKEEPERS_OWN}`, `/${ZOOKEEPERS_OWN}/quota`];

/**
 * With credentials: allows everybody else only to read the nodes that all our processes share. A process with
 * credentials creates each node that way. This is for nodes that were created before, without credentials.
 *
 * The root of our tree is protected too: who may delete `/shard-locks` while no lock is held, and create it
 * again, keeps all producers out. Our root is the chroot. Without one it is `/`, but only while no node of
 * others stands there, because they may need to create more. Then ZooKeeper's own nodes are protected as
 * well: below them, everybody could fill the memory of the servers, and put a quota on our paths. No state
 * of them prevents a session.
 *
 * A node that already belongs to other credentials stays as it is: the operation that needs it fails then,
 * and says why.
 * A server that is behind may not know a node yet. The next session protects it.
 * @throws CoordinationError; a node may vanish, or get other credentials, while this runs
 */
export async function protectTree(connection: Connection, deadlineMs: number): Promise<void> {
  const paths = ['/', ...OWN_PATHS, ...ZOOKEEPERS_OPEN_PATHS];
  // All at once: this is part of the opening of each session.
  const [names, ...answers] = await Promise.all([
    connection.children('/', deadlineMs),
    ...paths.map(async (path) => isOpen(connection, path, deadlineMs)),
  ]);
  const isOurs = isOurRoot(connection.hasChroot, names);
  const isWhole = isOurs && !connection.hasChroot;
  await Promise.all(
    paths
      .filter((_, index) => answers[index] === true)
      .filter((path) => path !== '/' || isOurs)
      .filter((path) => !ZOOKEEPERS_OPEN_PATHS.includes(path) || isWhole)
      .map(async (path) => protect(connection, path, deadlineMs)),
  );
}

async function isOpen(connection: Connection, path: string, deadlineMs: number): Promise<boolean> {
  return connection.isOpen(path, deadlineMs).catch((error: unknown) => {
    if (isCoordinationError(error, 'NO_NODE', 'NO_AUTH') || isRefusalOfZooKeepers(path, error)) return false;
    throw error;
  });
}

async function protect(connection: Connection, path: string, deadlineMs: number): Promise<void> {
  await connection.protect(path, deadlineMs).catch((error: unknown) => {
    if (!isRefusalOfZooKeepers(path, error)) throw error;
  });
}

/** Whether the ensemble has answered, and does not allow what we want with one of ZooKeeper's own nodes. */
function isRefusalOfZooKeepers(path: string, error: unknown): boolean {
  return ZOOKEEPERS_OPEN_PATHS.includes(path) && isCoordinationError(error, 'NO_NODE', 'NO_AUTH', 'REFUSED');
}

/** Whether nobody else uses the node above our paths. */
export function isOurRoot(hasChroot: boolean, names: readonly string[]): boolean {
  return (
    hasChroot ||
    names.every((name) => name === ZOOKEEPERS_OWN || OWN_PATHS.some((path) => path === `/${name}`))
  );
}
