import { readMembers } from '../../coordinator/membership.ts';
import { PATHS } from '../../coordinator/paths.ts';
import type { Session } from '../../coordinator/session.ts';
import type { MapperReserve } from '../../db/audit/sources.ts';
import { askAdmin, type AdminAddress } from '../../runtime/admin-client.ts';
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
    ...foreign.map((mapper) => ({ mapper, keys: undefined, reason: 'its node is not what a mapper writes' })),
    ...(await Promise.all([...members].map(([mapper, url]) => askReserve(mapper, { url, token })))),
  ];
}

function parseAdmin(json: unknown): string | undefined {
  if (typeof json !== 'object' || json === null || !('admin' in json)) return undefined;
  return typeof json.admin === 'string' ? json.admin : undefined;
}

async function askReserve(mapper: string, address: AdminAddress): Promise<MapperReserve> {
  try {
    const body = await askAdmin(address, 'GET', '/reserve', { timeoutMs: ASK_TIMEOUT_MS });
    const keys = typeof body === 'object' && body !== null && 'keys' in body ? body.keys : undefined;
    if (!Array.isArray(keys)) throw new Error('it answered something else than a list of keys');
    return { mapper, keys: keys.filter((key) => typeof key === 'string') };
  } catch (error) {
    return { mapper, keys: undefined, reason: `${address.url}: ${messageOf(error)}` };
  }
}
