import { openKeysDb, type KeysDb } from '../../../db/keys-db/keys-db.ts';
import type { Keyspace } from '../../../db/keyspace/key.ts';
import type { KeysDbConfig, StoresConfig } from '../../../runtime/config/stores.ts';
import { QUIET_LOG } from '../../../runtime/log.ts';
import type { Inquiry } from './ask.ts';

/** The number of keys in a keys-db, in the output of `status`; null when it did not answer. */
export interface KeysDbEntry {
  readonly name: string;
  readonly unused: number | null;
  readonly used: number | null;
}

/**
 * @param keyspace created before the call, because its creation takes longer than the deadline of a question
 */
export async function readKeysDbs(
  inquiry: Inquiry,
  stores: StoresConfig,
  keyspace: Keyspace,
): Promise<KeysDbEntry[]> {
  return Promise.all(
    stores.keysDbs.map(async (config) => {
      const counts = await inquiry.ask(config.name, () =>
        withKeysDb(config, keyspace, async (keysDb) => keysDb.counts()),
      );
      return { name: config.name, unused: counts?.unused ?? null, used: counts?.used ?? null };
    }),
  );
}

/** Opens a keys-db, runs `work` and closes it. */
export async function withKeysDb<T>(
  { name, url, region }: KeysDbConfig,
  keyspace: Keyspace,
  work: (keysDb: KeysDb) => Promise<T>,
): Promise<T> {
  await using keysDb = openKeysDb({ name, url, region, keyspace, log: QUIET_LOG });
  return await work(keysDb);
}
