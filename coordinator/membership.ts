import { childrenOrNone, readNode } from './reading.ts';
import { CoordinationError, isCoordinationError } from './errors.ts';
import { observe } from './observe.ts';
import type { Session } from './session.ts';

/** An ephemeral node that says who is here, with data that may change. */
export interface Membership {
  readonly path: string;
  /** Resolves once the node stands for the first time: a dead predecessor's of the same id may have to vanish first. Rejects if the session ends or leave() comes before. */
  readonly joined: Promise<void>;
  /** The data from now on; written in the background, the latest wins. */
  update(data: object): void;
  /** Stops announcing and deletes the node if it is ours. At shutdown close the session instead. */
  leave(): Promise<void>;
}

/** Announces a member in the background, for as long as the session lives: serving need not wait for it. */
export function join(session: Session, path: string, data: object): Membership {
  let wanted = JSON.stringify(data);
  let left = false;
  const { promise: joined, resolve, reject } = Promise.withResolvers<void>();
  // Whoever does not wait for it need not handle its rejection.
  joined.catch(() => undefined);
  const onEnded = (): void => reject(session.ended.reason);
  session.ended.addEventListener('abort', onEnded, { once: true });

  let waitingFor: string | undefined;
  /** A dead predecessor's node goes by itself; one that stays is another process of the same name, or a person's. */
  const waitFor = (owner: string): void => {
    if (owner === waitingFor) return;
    waitingFor = owner;
    session.log.warn({ path, owner }, 'not announced yet: a node of another session stands in its place');
  };

  /** One step towards "our node stands and says what is wanted"; the watch on what it did brings the next. */
  const observer = observe(session, async (onChange) => {
    const node = await readNode(session, path, onChange);
    if (left) return;
    if (node === undefined) await create(session, path, wanted);
    else if (node.stat.ephemeralOwner !== session.id) waitFor(node.stat.ephemeralOwner);
    else if (node.data === wanted) resolve();
    else await session.set(path, wanted, node.stat.version);
  });

  return {
    path,
    joined,
    update: (next) => {
      wanted = JSON.stringify(next);
      observer.refresh();
    },
    leave: async () => {
      left = true;
      observer[Symbol.dispose]();
      session.ended.removeEventListener('abort', onEnded);
      reject(new CoordinationError('NOT_CONNECTED', `${path} has left`));
      if (session.ended.aborted) return;
      const node = await session.get(path);
      if (node?.stat.ephemeralOwner === session.id) await removeIfThere(session, path, node.stat.version);
    },
  };
}

/**
 * Calls `onChange` with all members below `parentPath` now and whenever one comes, goes or changes its data.
 *
 * @param parse from JSON to a member, undefined for what is none
 * @param onChange members by name, and the names of nodes that are none: respected and shown, never fatal
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

/** The members below `parentPath`, once. A parent that does not exist has none. */
export async function readMembers<T>(
  session: Session,
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
    const member = parseMember(node.data, parse);
    if (member === undefined) foreign.push(name);
    else members.set(name, member);
  }
  return { members, foreign };
}

function parseMember<T>(data: string, parse: (json: unknown) => T | undefined): T | undefined {
  try {
    return parse(JSON.parse(data));
  } catch {
    return undefined;
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
