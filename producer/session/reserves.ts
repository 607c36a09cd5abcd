import { hostname } from 'node:os';
import { readMembers } from '../../coordinator/membership.ts';
import { PATHS } from '../../coordinator/paths.ts';
import type { Session } from '../../coordinator/session.ts';
import type { MapperReserve } from '../../db/audit/sources.ts';
import { whyOutOfReach, type AnnouncedAdmin } from '../../runtime/admin-address.ts';
import { askAdmin } from '../../runtime/admin-client.ts';
import { messageOf } from '../../runtime/errors.ts';

const ASK_TIMEOUT_MS = 2_000;

/**
 * Asks every mapper in ZooKeeper for the keys that it holds. A mapper that does not answer, or whose node
 * cannot be read, is returned without keys and with the reason: then no key may be counted as lost.
 * @param token `KEYMILL_ADMIN_TOKEN`
 */
export async function readReserves(session: Session, token: string | undefined): Promise<MapperReserve[]> {
  const { members, foreign } = await readMembers(session, PATHS.mappers, parseAdmin);
  return [
    ...foreign.map((mapper) => ({
      mapper,
      keys: undefined,
      reason: `${PATHS.mappers}/${mapper} is foreign: no mapper wrote it, and it has no admin address`,
    })),
    ...(await Promise.all([...members].map(([mapper, member]) => askReserve(mapper, member, token)))),
  ];
}

function parseAdmin(json: unknown): AnnouncedAdmin | undefined {
  if (typeof json !== 'object' || json === null || !('admin' in json)) return undefined;
  if (typeof json.admin !== 'string') return undefined;
  return { admin: json.admin, host: 'host' in json && typeof json.host === 'string' ? json.host : null };
}

/** Refuses a list of which only a part can be read: it may lack keys. */
function parseReserve(body: unknown): string[] {
  const keys = typeof body === 'object' && body !== null && 'keys' in body ? body.keys : undefined;
  if (Array.isArray(keys) && keys.every((key) => typeof key === 'string')) return keys;
  throw new Error('it answered something else than a list of keys');
}

async function askReserve(
  mapper: string,
  member: AnnouncedAdmin,
  token: string | undefined,
): Promise<MapperReserve> {
  const url = member.admin;
  const outOfReach = whyOutOfReach(member, hostname());
  if (outOfReach !== undefined) return { mapper, keys: undefined, reason: outOfReach };
  try {
    const body = await askAdmin({ url, token }, 'GET', '/reserve', { timeoutMs: ASK_TIMEOUT_MS });
    return { mapper, keys: parseReserve(body) };
  } catch (error) {
    return { mapper, keys: undefined, reason: `its admin port ${url}: ${messageOf(error)}` };
  }
}
