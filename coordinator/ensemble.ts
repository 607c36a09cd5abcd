import { randomUUID } from 'node:crypto';
import { isCoordinationError } from './errors.ts';
import { PATHS } from './paths.ts';
import { readNode, type NodeReads } from './reading.ts';
import type { Session } from './session.ts';

/** This limits how often other processes can be first. */
const MAX_ATTEMPTS = 10;
/** A random UUID. Other data was not written by us. */
const ID_SHAPE = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The random id of this ensemble, or undefined if it has none: it was never set up, it was wiped, or
 * something else was written there. Every keys-db stores it too. Nobody may contend for a keys-db that stores
 * another id, because czxids of different ensembles cannot be compared.
 * @param onChange called once, when the id is next written or deleted
 */
export async function readEnsembleId(session: NodeReads, onChange?: () => void): Promise<string | undefined> {
  const id = (await readNode(session, PATHS.ensemble, onChange))?.data ?? '';
  return ID_SHAPE.test(id) ? id : undefined;
}

/** Gives the ensemble an id, or returns the id that another process gave it before. */
export async function createEnsembleId(session: Session): Promise<string> {
  return replaceEnsembleId(session, undefined);
}

/**
 * Gives the ensemble a new id instead of `old`, or returns the id that another process gave it in the
 * meantime.
 */
export async function replaceEnsembleId(session: Session, old: string | undefined): Promise<string> {
  const id = randomUUID();
  await session.ensurePath(PATHS.ensemble.slice(0, PATHS.ensemble.lastIndexOf('/')));
  for (let attempt = 1; ; attempt += 1) {
    const node = await readNode(session, PATHS.ensemble);
    const known = node && ID_SHAPE.test(node.data) ? node.data : undefined;
    if (known !== old && known !== undefined) return known;
    try {
      if (node === undefined) await session.create(PATHS.ensemble, id, { ephemeral: false });
      else await session.set(PATHS.ensemble, id, node.stat.version);
      return id;
    } catch (error) {
      // Another process was first: read what it wrote.
      const isRace = isCoordinationError(error, 'NODE_EXISTS', 'BAD_VERSION', 'NO_NODE');
      if (!isRace || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

/** What a store has recorded about the last lock whose holder may write to it. */
export interface RecordedLock {
  /** Undefined before the first one. */
  readonly ensemble: string | undefined;
  readonly czxid: bigint;
}

/**
 * Whether an ensemble has been put back to a state from before a lock that a store has recorded: from an old
 * snapshot, or an old copy of its data. It numbers its transactions upwards, so it cannot be at a lower
 * number than one that it gave before. While it is, every new lock looks older than the recorded one.
 * @param ensemble the present ensemble: its id, and the number of a transaction that it applied after the
 *   lock was read from the store
 */
export function hasGoneBack(
  { ensemble, czxid }: RecordedLock,
  { id, zxid }: { readonly id: string; readonly zxid: bigint },
): boolean {
  return ensemble === id && czxid > zxid;
}
