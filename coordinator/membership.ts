import { parseJson } from '../runtime/json.ts';
import { CoordinationError, isCoordinationError } from './errors.ts';
import { observe } from './observe.ts';
import { childrenOrNone, readNode, type NodeReads } from './reading.ts';
import type { Node, Session } from './session.ts';

/** The owner of a persistent node. */
export const NO_SESSION = '0'.repeat(16);

/** An ephemeral node of a member, with data that may change. */
export interface Membership {
  readonly path: string;
  /**
   * Resolves when the node exists for the first time: the node of a dead predecessor with the same id may
   * have to vanish first. Rejects if the session ends or leave() is called before.
   */
  readonly joined: Promise<void>;
  /** Sets the data. It is written in the background; the latest data wins. */
  update(data: object): void;
  /** Gives up the membership and deletes the node if it is ours. At shutdown close the session instead. */
  leave(): Promise<void>;
}

/** Keeps a member registered in the background, as long as the session lives. The caller need not wait. */
export function join(session: Session, path: string, data: object): Membership {
  let latest = JSON.stringify(data);
  let hasLeft = false;
  const { promise: joined, resolve, reject } = Promise.withResolvers<void>();
  // A caller that does not wait for it need not handle its rejection.
  joined.catch(() => undefined);
  const onEnded = (): void => reject(session.ended.reason);
  session.ended.addEventListener('abort', onEnded, { once: true });

  let blockedBy: string | undefined;
  /**
   * The node of a dead predecessor vanishes by itself. A node that stays belongs to another process with the
   * same name, or to a person.
   */
  const reportBlocked = (owner: string): void => {
    if (owner === blockedBy) return;
    blockedBy = owner;
    session.log.warn({ path, owner }, 'not registered yet: a node of another session stands in its place');
  };

  /** One step towards an existing node with the latest data. The watch that it sets starts the next step. */
  const observer = observe(session, async (onChange) => {
    const node = await readNode(session, path, onChange);
    if (hasLeft) return;
    if (node === undefined) await create(session, path, latest);
    else if (node.stat.ephemeralOwner !== session.id) reportBlocked(node.stat.ephemeralOwner);
    else if (node.data === latest) resolve();
    else await session.set(path, latest, node.stat.version);
  });

  return {
    path,
    joined,
    update: (next) => {
      latest = JSON.stringify(next);
      observer.refresh();
    },
    leave: async () => {
      hasLeft = true;
      observer[Symbol.dispose]();
      session.ended.removeEventListener('abort', onEnded);
      reject(new CoordinationError('NOT_CONNECTED', `${path}: the member has left`));
      if (session.ended.aborted) return;
      const node = await session.get(path);
      if (node?.stat.ephemeralOwner === session.id) await removeIfThere(session, path, node.stat.version);
    },
  };
}

/**
 * Calls `onChange` with all members below `parentPath`: now, and whenever one comes, leaves or changes its
 * data.
 *
 * @param parse turns JSON into a member; undefined when the data is not a member's. Gets undefined for data
 *   that is not JSON, and must not throw
 * @param onChange gets the members by name, and the names of foreign nodes, which are never an error
 */
export function watchMembers<T>(
  session: Session,
  parentPath: string,
  parse: (json: unknown) => T | undefined,
  onChange: (members: Map<string, T>, foreign: string[]) => void,
): Disposable {
  return observe(session, async (changed) => {
    const { members, foreign } = await readMembers(session, parentPath, parse, changed);
    onChange(members, foreign);
  });
}

/** Reads the members below `parentPath` once. A parent that does not exist has none. */
export async function readMembers<T>(
  session: NodeReads,
  parentPath: string,
  parse: (json: unknown) => T | undefined,
  onChange?: () => void,
): Promise<{ members: Map<string, T>; foreign: string[] }> {
  const names = await childrenOrNone(session, parentPath, onChange);
  const nodes = await Promise.all(
    names
      .sort()
      .map(async (name) => ({ name, node: await readNode(session, `${parentPath}/${name}`, onChange) })),
  );
  const members = new Map<string, T>();
  const foreign: string[] = [];
  for (const { name, node } of nodes) {
    if (node === undefined) continue;
    // Members of ours are ephemeral. A person or another program made a persistent node.
    const member = node.stat.ephemeralOwner === NO_SESSION ? undefined : parse(parseJson(node.data));
    if (member === undefined) foreign.push(name);
    else members.set(name, member);
  }
  return { members, foreign };
}

/**
 * Deletes the node of a member, as an operator saw it, and all nodes below it: a persistent node may have
 * some.
 * @throws CoordinationError NO_NODE if it has vanished or was replaced, BAD_VERSION if it has changed
 */
export async function removeMember(session: Session, path: string, { stat }: Node): Promise<void> {
  if ((await session.exists(path))?.czxid !== stat.czxid)
    throw new CoordinationError('NO_NODE', `${path} has vanished or was replaced`);
  await removeBelow(session, path);
  await session.remove(path, stat.version);
}

async function removeBelow(session: Session, path: string): Promise<void> {
  for (const name of await childrenOrNone(session, path)) {
    await removeBelow(session, `${path}/${name}`);
    await removeIfThere(session, `${path}/${name}`, -1);
  }
}

async function create(session: Session, path: string, data: string): Promise<void> {
  try {
    await session.create(path, data, { ephemeral: true });
  } catch (error) {
    if (isCoordinationError(error, 'NO_NODE')) {
      await session.ensurePath(path.slice(0, path.lastIndexOf('/')));
      await create(session, path, data);
    } else if (!isCoordinationError(error, 'NODE_EXISTS')) throw error;
  }
}

async function removeIfThere(session: Session, path: string, version: number): Promise<void> {
  await session.remove(path, version).catch((error: unknown) => {
    if (!isCoordinationError(error, 'NO_NODE')) throw error;
  });
}
