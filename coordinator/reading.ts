import { isCoordinationError } from './errors.ts';
import type { Node, Session } from './session.ts';

/** What reads nodes: a session, or what remembers the nodes of one. */
export type NodeReads = Pick<Session, 'get' | 'exists' | 'children'>;

/**
 * Names below `path`, none if it does not exist. `onChange` is called once, at the next change, its creation
 * included.
 */
export async function childrenOrNone(
  session: NodeReads,
  path: string,
  onChange?: () => void,
): Promise<string[]> {
  try {
    return await session.children(path, onChange);
  } catch (error) {
    if (!isCoordinationError(error, 'NO_NODE')) throw error;
    // Watch for its creation. It may have been created in the meantime.
    if (onChange === undefined || (await session.exists(path, onChange)) === undefined) return [];
    return session.children(path, onChange);
  }
}

/**
 * Like `session.get`, for nodes that anybody may have created. A node that an ACL hides from us still exists,
 * and is read as empty.
 */
export async function readNode(
  session: NodeReads,
  path: string,
  onChange?: () => void,
): Promise<Node | undefined> {
  try {
    return await session.get(path, onChange);
  } catch (error) {
    if (!isCoordinationError(error, 'NO_AUTH')) throw error;
    const stat = await session.exists(path, onChange);
    return stat && { data: '', stat };
  }
}
