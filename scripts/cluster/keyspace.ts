import { openKeysDb } from '../../db/keys-db/keys-db.ts';
import { createKeyspace, type Keyspace } from '../../db/keyspace/key.ts';
import { openUrlsDb, type UrlsDb } from '../../db/urls/links.ts';
import type { KeysDbConfig, StoresConfig, UrlsDbConfig } from '../../runtime/config/stores.ts';
import { QUIET_LOG } from '../../runtime/log.ts';

/** Both of the following, for all databases of a cluster. @throws MismatchError, StoreUnavailableError */
export async function recordKeyspace({ keys, keysDbs, urlsDbs }: StoresConfig): Promise<void> {
  const keyspace = createKeyspace(keys);
  await Promise.all(keysDbs.map(async (config) => verifyKeysDb(config, keyspace)));
  await Promise.all(urlsDbs.map(async (config) => recordInUrlsDb(config, keyspace, urlsDbs)));
}

/**
 * Verifies that a keys-db belongs to the keyspace. One without keys records it.
 * @throws MismatchError
 */
export async function verifyKeysDb({ name, url, region }: KeysDbConfig, keyspace: Keyspace): Promise<void> {
  await using keysDb = openKeysDb({ name, url, region, keyspace, log: QUIET_LOG });
  await keysDb.verify();
}

/**
 * Records the keyspace in a urls server that records none, so that mappers of another one refuse it, and its
 * slots: when a mapper does that, and this server is late, another one may have links already. Call it only
 * after every keys-db was verified: a wrong record would stop the right mappers.
 * @param all the urls servers of the cluster
 * @throws MismatchError when it records other ones
 */
export async function recordInUrlsDb(
  config: UrlsDbConfig,
  keyspace: Keyspace,
  all: readonly UrlsDbConfig[],
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const open = (one: UrlsDbConfig): UrlsDb => {
    const urlsDb = openUrlsDb({ ...one, keyspace, log: QUIET_LOG, connections: 1 });
    stack.defer(async () => urlsDb.close());
    return urlsDb;
  };
  const urlsDb = open(config);
  await urlsDb.recordKeyspace();
  await urlsDb.verifySlots(all.filter(({ name }) => name !== config.name).map(open));
}
