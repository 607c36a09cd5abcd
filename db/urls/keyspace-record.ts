import {
  whyForeign,
  type KeyspaceIdentity,
  type StoredIdentity,
} from '../../runtime/config/keyspace-identity.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { DuplicateRowError, MismatchError } from '../store-errors.ts';

/**
 * Compares the keyspace that a urls database, or a replica of one, records with ours. Never writes. A
 * database without a record is accepted: only programs that have verified the keys-dbs may write one.
 * @throws MismatchError when it records another one
 */
export async function verifyKeyspace(db: Mysql, ours: KeyspaceIdentity): Promise<void> {
  const [stored] = await db.query<StoredIdentity & object>(
    'SELECT fingerprint, key_length, region_bits FROM keyspace WHERE id = 1',
  );
  const reason = stored && whyForeign(stored, ours);
  if (reason === undefined) return;
  throw new MismatchError(
    db.name,
    `${reason}. If KEYMILL_URLS_DBS or KEYMILL_URLS_REPLICAS names a server of another cluster, correct it`,
  );
}

/**
 * Records our keyspace in a urls database that records none, and compares it otherwise. Call it only after
 * the keys-dbs have accepted the same keyspace.
 * @throws MismatchError when it records another one
 */
export async function recordKeyspace(db: Mysql, ours: KeyspaceIdentity): Promise<void> {
  try {
    await db.execute('INSERT INTO keyspace (id, fingerprint, key_length, region_bits) VALUES (1, ?, ?, ?)', [
      ours.fingerprint,
      ours.length,
      ours.regionBits,
    ]);
  } catch (error) {
    // There is a record, perhaps by another program at this moment. It is compared next.
    if (!(error instanceof DuplicateRowError)) throw error;
  }
  await verifyKeyspace(db, ours);
}
