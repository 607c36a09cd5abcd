import { hostname } from 'node:os';
import { readMembers } from '../../coordinator/membership.ts';
import { PATHS } from '../../coordinator/paths.ts';
import type { Session } from '../../coordinator/session.ts';
import type { MapperReserve } from '../../db/audit/sources.ts';
import { whyOutOfReach, type AnnouncedAdmin } from '../../runtime/admin-address.ts';
import { messageOf } from '../../runtime/errors.ts';

const ASK_TIMEOUT_MS = 2_000;

/**
 * Asks every mapper in ZooKeeper for the keys that it holds. A mapper that does not answer, or whose node
 * cannot be read, is returned with the reason and without keys: then no key may be counted as lost.
 */
export async function readReserves(session: Session): Promise<MapperReserve[]> {
  const { members, foreign } = await readMembers(session, PATHS.mappers, parseAdmin);
  return [
    ...foreign.map((mapper) => ({
      mapper,
      keys: undefined,
      reason: `${PATHS.mappers}/${mapper} is foreign: no mapper wrote it, and it has no admin address`,
    })),
    ...(await Promise.all([...members].map(([mapper, address]) => askReserve(mapper, address)))),
  ];
}

function parseAdmin(json: unknown): AnnouncedAdmin | undefined {
  if (typeof json !== 'object' || json === null || !('admin' in json)) return undefined;
  if (typeof json.admin !== 'string') return undefined;
  return { admin: json.admin, host: 'host' in json && typeof json.host === 'string' ? json.host : null };
}

async function askReserve(mapper: string, address: AnnouncedAdmin): Promise<MapperReserve> {
  const { admin } = address;
  const outOfReach = whyOutOfReach(address, hostname());
  if (outOfReach !== undefined) return { mapper, keys: undefined, reason: outOfReach };
  const unanswered = (why: string): MapperReserve => ({
    mapper,
    keys: undefined,
    reason: `its admin port ${admin} ${why}`,
  });
  try {
    const response = await fetch(new URL('/reserve', admin), { signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
    if (!response.ok) return unanswered(`answers with status ${response.status}`);
    const body: unknown = await response.json();
    const keys = typeof body === 'object' && body !== null && 'keys' in body ? body.keys : undefined;
    if (!Array.isArray(keys)) return unanswered('answers with something else than a list of keys');
    return { mapper, keys: keys.filter((key) => typeof key === 'string') };
  } catch (error) {
    return unanswered(`does not answer (${causeOf(error)})`);
  }
}

/** `fetch` hides the network's error in the cause of its own one. */
function causeOf(error: unknown): string {
  return messageOf(error instanceof Error && error.cause !== undefined ? error.cause : error);
}
