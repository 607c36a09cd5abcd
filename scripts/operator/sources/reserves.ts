import { hostname } from 'node:os';
import { z } from 'zod';
import { mapperPath } from '../../../coordinator/paths.ts';
import type { MapperReserve } from '../../../db/audit/sources.ts';
import { mapperKey } from '../../../db/redis/redis-keys.ts';
import { whyOutOfReach } from '../../../runtime/admin-address.ts';
import { askAdmin } from '../../../runtime/admin-client.ts';
import { messageOf } from '../../../runtime/errors.ts';
import { ASK_DEADLINE_MS } from './ask.ts';
import type { Cluster } from './find-cluster.ts';
import { requireMembers } from './membership.ts';

const Reserve = z.object({
  keys: z.array(z.string()),
  // A mapper of an earlier release has none.
  ranges: z.array(z.object({ region: z.int(), first: z.int(), last: z.int() })).default([]),
});
type Reserve = z.infer<typeof Reserve>;

interface MapperAddress {
  readonly id: string;
  readonly admin: string | null;
  /** Host name; undefined if it is not known. */
  readonly host?: string | null;
}

/** Every key that a mapper holds: its reserve, the taken keys in flight, and ids whose keys it will use. */
export async function readReserve(
  { id, admin, host = null }: MapperAddress,
  token: string | undefined,
): Promise<Reserve> {
  if (admin === null) throw new Error(`${id} publishes no admin address`);
  const outOfReach = whyOutOfReach({ admin, host }, hostname());
  if (outOfReach !== undefined) throw new Error(outOfReach);
  const address = { url: admin, token };
  return Reserve.parse(await askAdmin(address, 'GET', '/reserve', { timeoutMs: ASK_DEADLINE_MS }));
}

/**
 * Asks all mappers for their keys: those in ZooKeeper or, without it, in Redis, and those that `up` started,
 * because a mapper also serves without being known there. A mapper that `up` started and whose port is closed
 * has ended, and holds nothing.
 * @throws UnreachableError when neither ZooKeeper nor `cluster.json` lists the mappers
 */
export async function readReserves({ config, file }: Cluster): Promise<MapperReserve[]> {
  const named = await readNamed(config, file !== undefined);
  const started = (file?.mappers ?? []).filter(({ id }) => !named.some((mapper) => mapper.id === id));
  const answers = await Promise.all([
    ...named.map(async (mapper) => [await tryReserve(mapper, config.adminToken)]),
    ...started.map(async (mapper) =>
      (await isGone(mapper)) ? [] : [await tryReserve(mapper, config.adminToken)],
    ),
  ]);
  return answers.flat();
}

/** A foreign node among the mappers counts as one that does not answer: it may be a mapper. */
async function readNamed(
  config: Cluster['config'],
  isKnownOtherwise: boolean,
): Promise<readonly MapperAddress[]> {
  try {
    const { mappers, foreign } = await requireMembers(config);
    const prefix = config.zookeeper === undefined ? mapperKey('') : mapperPath('');
    const strangers = foreign.filter((path) => path.startsWith(prefix));
    return [...mappers, ...strangers.map((path) => ({ id: path.slice(prefix.length), admin: null }))];
  } catch (error) {
    if (isKnownOtherwise) return [];
    throw error;
  }
}

async function tryReserve(mapper: MapperAddress, token: string | undefined): Promise<MapperReserve> {
  try {
    return { mapper: mapper.id, ...(await readReserve(mapper, token)) };
  } catch (error) {
    return { mapper: mapper.id, keys: undefined, reason: messageOf(error) };
  }
}

async function isGone({ admin }: { admin: string }): Promise<boolean> {
  try {
    await askAdmin({ url: admin, token: undefined }, 'GET', '/livez', { timeoutMs: ASK_DEADLINE_MS });
    return false;
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    return cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED';
  }
}
