import { readMembers } from '../../coordinator/membership.ts';
import { PATHS } from '../../coordinator/paths.ts';
import type { Session } from '../../coordinator/session.ts';
import type { MapperReserve } from '../../db/audit/sources.ts';

const ASK_TIMEOUT_MS = 2_000;

/**
 * Asks every mapper in ZooKeeper for the keys that it holds. A mapper that does not answer, or whose node
 * cannot be read, is returned without keys: then no key may be counted as lost.
 */
export async function readReserves(session: Session): Promise<MapperReserve[]> {
  const { members, foreign } = await readMembers(session, PATHS.mappers, parseAdmin);
  return [
    ...foreign.map((mapper) => ({ mapper, keys: undefined })),
    ...(await Promise.all([...members].map(([mapper, admin]) => askReserve(mapper, admin)))),
  ];
}

function parseAdmin(json: unknown): string | undefined {
  if (typeof json !== 'object' || json === null || !('admin' in json)) return undefined;
  return typeof json.admin === 'string' ? json.admin : undefined;
}

async function askReserve(mapper: string, admin: string): Promise<MapperReserve> {
  try {
    const response = await fetch(new URL('/reserve', admin), { signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
    const body: unknown = await response.json();
    const keys =
      response.ok && typeof body === 'object' && body !== null && 'keys' in body ? body.keys : undefined;
    return { mapper, keys: Array.isArray(keys) ? keys.filter((key) => typeof key === 'string') : undefined };
  } catch {
    return { mapper, keys: undefined };
  }
}
