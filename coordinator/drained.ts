import { isoNow } from '../runtime/clock.ts';
import { isCoordinationError } from './errors.ts';
import { observe } from './observe.ts';
import { drainedPath, PATHS } from './paths.ts';
import { childrenOrNone, type NodeReads } from './reading.ts';
import type { Session } from './session.ts';

/**
 * A drained member takes no work until this is undone. The mark is a persistent node, so it outlives the
 * member's process, and its host.
 */

/** Every mark means the same, so its version is not compared. */
const ANY_VERSION = -1;

/** Sets or removes the mark of a member, whether or not the member runs. Idempotent. */
export async function markDrained(session: Session, id: string, isDrained: boolean): Promise<void> {
  const path = drainedPath(id);
  try {
    if (!isDrained) return await session.remove(path, ANY_VERSION);
    await session.ensurePath(PATHS.drained);
    await session.create(path, JSON.stringify({ since: isoNow() }), { ephemeral: false });
  } catch (error) {
    if (!isCoordinationError(error, isDrained ? 'NODE_EXISTS' : 'NO_NODE')) throw error;
  }
}

/** Calls `onChange` with whether a member is drained: now, and at every change. */
export function watchDrained(
  session: Session,
  id: string,
  onChange: (isDrained: boolean) => void,
): Disposable {
  return observe(session, async (changed) => {
    const stat = await session.exists(drainedPath(id), changed);
    onChange(stat !== undefined);
  });
}

/** The ids of all drained members, running or not, sorted. */
export async function readDrained(session: NodeReads): Promise<string[]> {
  return (await childrenOrNone(session, PATHS.drained)).sort();
}
