import { readMembers } from '../../coordinator/membership.ts';
import { PATHS } from '../../coordinator/paths.ts';
import type { Session } from '../../coordinator/session.ts';
import type { MapperReserve } from '../../db/audit/sources.ts';
import { readJson } from '../../runtime/json.ts';

const ASK_TIMEOUT_MS = 2_000;
/** More than the largest reserves of the most processes: 64 times 100,000 keys. */
const MAX_ANSWER_BYTES = 128 * 2 ** 20;

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

/** Undefined unless every entry is a text: a list that is only partly readable may lack keys. */
function parseReserve(body: unknown): string[] | undefined {
  if (typeof body !== 'object' || body === null || !('keys' in body) || !Array.isArray(body.keys))
    return undefined;
  return body.keys.every((key) => typeof key === 'string') ? body.keys : undefined;
}

async function askReserve(mapper: string, admin: string): Promise<MapperReserve> {
  try {
    const response = await fetch(new URL('/reserve', admin), { signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
    const body = await readJson(response, MAX_ANSWER_BYTES);
    return { mapper, keys: response.ok ? parseReserve(body) : undefined };
  } catch {
    return { mapper, keys: undefined };
  }
}
