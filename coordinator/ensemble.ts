import { randomUUID } from 'node:crypto';
import { isCoordinationError } from './errors.ts';
import { PATHS } from './paths.ts';
import type { Session } from './session.ts';

/**
 * The random id of this ensemble, or undefined if it has none: it was never set up, or it was wiped. Every
 * keys-db stores it too. Nobody may contend for a keys-db that stores another id, because czxids of different
 * ensembles cannot be compared.
 */
export async function readEnsembleId(session: Session): Promise<string | undefined> {
  const id = (await session.get(PATHS.ensemble))?.data;
  return id === '' ? undefined : id;
}

/** Gives the ensemble an id, or returns the id that another process gave it before. */
export async function createEnsembleId(session: Session): Promise<string> {
  const known = await readEnsembleId(session);
  if (known !== undefined) return known;
  const id = randomUUID();
  await session.ensurePath(PATHS.ensemble.slice(0, PATHS.ensemble.lastIndexOf('/')));
  try {
    await session.create(PATHS.ensemble, id, { ephemeral: false });
    return id;
  } catch (error) {
    if (!isCoordinationError(error, 'NODE_EXISTS')) throw error;
    return (await readEnsembleId(session)) ?? id;
  }
}
