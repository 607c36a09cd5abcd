import { BlockedDomains } from '../../../mapper/limits/blocked-domains.ts';
import { findCluster, type Cluster } from './find-cluster.ts';
import { withUsersDb } from './users.ts';

/**
 * The domains that administrators have blocked; none where there is no users database.
 * @throws UnreachableError when it does not answer: what they have blocked must not be stored
 */
export async function readStoredDomains(cluster: Cluster): Promise<BlockedDomains> {
  if (cluster.config.stores.usersDb === undefined) return new BlockedDomains(new Set());
  return new BlockedDomains(new Set(await withUsersDb(cluster, async (db) => db.domains.names())));
}

/** The same for what needs no cluster. Undefined: there is none, or it does not answer. */
export async function findStoredDomains(
  env: Parameters<typeof findCluster>[0],
): Promise<BlockedDomains | undefined> {
  try {
    return await readStoredDomains(findCluster(env));
  } catch {
    return undefined;
  }
}
