import { CoordinationError, isCoordinationError } from './errors.ts';
import { parseLock, type LockHolder } from './lock-holder.ts';
import { observe } from './observe.ts';
import { lockPath, PATHS } from './paths.ts';
import { childrenOrNone, readNode, type NodeReads } from './reading.ts';
import type { Session } from './session.ts';

/** Who holds which shard. A shard without an entry is free. Without `shards`: all shards. */
export async function readLocks(
  session: NodeReads,
  shards?: readonly string[],
  onChange?: () => void,
): Promise<Map<string, LockHolder>> {
  const names = await childrenOrNone(session, PATHS.locks, onChange);
  const chosen = shards === undefined ? names : names.filter((name) => shards.includes(name));
  const locks = await Promise.all(
    chosen.sort().map(async (shard) => {
      const node = await readNode(session, lockPath(shard), onChange);
      return node === undefined ? [] : [[shard, parseLock(node)] as const];
    }),
  );
  return new Map(locks.flat());
}

/** Calls `onChange` with all locks: now, and whenever one is taken, freed or changed. */
export function watchLocks(session: Session, onChange: (locks: Map<string, LockHolder>) => void): Disposable {
  return observe(session, async (changed) => {
    const locks = await readLocks(session, undefined, changed);
    onChange(locks);
  });
}

/**
 * An operator's release. With `czxid`, it never deletes a node that has replaced the one that the operator
 * saw.
 * @throws CoordinationError NO_NODE if the node has vanished or was replaced, BAD_VERSION if it has changed,
 *   NOT_EMPTY with the names if it has children: no lock of ours can have any
 */
export async function releaseLock(session: Session, shard: string, czxid?: bigint): Promise<LockHolder> {
  const path = lockPath(shard);
  const node = await readNode(session, path);
  if (node === undefined) throw new CoordinationError('NO_NODE', `nobody holds ${shard}`);
  if (czxid !== undefined && node.stat.czxid !== czxid)
    throw new CoordinationError('NO_NODE', `${shard} has another holder by now`);
  try {
    await session.remove(path, node.stat.version);
  } catch (error) {
    if (!isCoordinationError(error, 'NOT_EMPTY')) throw error;
    const names = (await childrenOrNone(session, path)).sort();
    throw new CoordinationError('NOT_EMPTY', `${path} has nodes below it: ${names.join(', ')}`, {
      cause: error,
    });
  }
  return parseLock(node);
}

/**
 * Deletes the locks of our own session that this process does not use. A create that ran after its deadline
 * has left them. Call it on every attach and every T, never while a tryAcquire is in flight.
 * @param held paths of the locks in use
 * @returns the shards it freed
 */
export async function sweepOwnNodes(session: Session, held: ReadonlySet<string>): Promise<string[]> {
  const freed: string[] = [];
  for (const shard of await childrenOrNone(session, PATHS.locks)) {
    const path = lockPath(shard);
    if (held.has(path)) continue;
    const stat = await session.exists(path);
    if (stat?.ephemeralOwner !== session.id) continue;
    await session.remove(path, stat.version).catch(ignoreGone);
    freed.push(shard);
  }
  return freed;
}

function ignoreGone(error: unknown): void {
  if (!isCoordinationError(error, 'NO_NODE')) throw error;
}
