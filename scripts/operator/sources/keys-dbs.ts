import { openKeysDb, type KeysDb } from '../../../db/keys-db/keys-db.ts';
import { openAlarms, type WriteOff } from '../../../db/keys-db/write-offs.ts';
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

/** What `status` shows of the keys-dbs. */
export interface KeysDbsRead {
  readonly keysDbs: readonly KeysDbEntry[];
  /** For each keys-db that answered: the urls servers that have gone back, by name. */
  readonly alarms: readonly ReadonlyMap<string, WriteOff>[];
}

/**
 * @param keyspace created before the call, because its creation takes longer than the deadline of a question
 */
export async function readKeysDbs(
  inquiry: Inquiry,
  stores: StoresConfig,
  keyspace: Keyspace,
): Promise<KeysDbsRead> {
  const read = async (keysDb: KeysDb) => {
    const [counts, { writeOffs }] = await Promise.all([keysDb.counts(), keysDb.writeOffs()]);
    return { ...counts, alarms: openAlarms(writeOffs) };
  };
  const answers = await Promise.all(
    stores.keysDbs.map(async (config) => inquiry.ask(config.name, () => withKeysDb(config, keyspace, read))),
  );
  return {
    keysDbs: stores.keysDbs.map(({ name }, index) => {
      const { unused = null, used = null } = answers[index] ?? {};
      return { name, unused, used };
    }),
    alarms: answers.flatMap((answer) => answer?.alarms ?? []),
  };
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
