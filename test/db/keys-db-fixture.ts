import { openKeysDb, type KeysDb } from '../../db/keys-db/keys-db.ts';
import { createKeyspace, type Keyspace } from '../../db/keyspace/key.ts';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { createLog } from '../../runtime/log.ts';
import { migratedDatabase } from '../migrated-database.ts';

export const log = createLog('test', 'keys-db', 'silent');
export const keyspace = createKeyspace({ length: 8, secret: 'a secret of the tests', regionBits: 10 });

export interface TestKeysDb extends AsyncDisposable {
  readonly db: KeysDb;
  readonly url: string;
  /** A connection of the test's own. */
  readonly sql: Mysql;
}

/** A migrated keys-db of its own, verified. */
export async function testKeysDb(
  options: { region?: number; keyspace?: Keyspace } = {},
): Promise<TestKeysDb> {
  const url = await migratedDatabase('keys-db', 'keys-db');
  const region = options.region ?? 0;
  const db = openKeysDb({
    name: `keys-db-${region + 1}`,
    url,
    region,
    keyspace: options.keyspace ?? keyspace,
    log,
  });
  await db.verify();
  const sql = openMysql(url, { name: 'test' });
  return {
    db,
    url,
    sql,
    async [Symbol.asyncDispose]() {
      await Promise.all([db.close(), sql.close()]);
    },
  };
}

/** The same with a reign begun (epoch 1) and `count` keys. */
export async function reigning(count: number, options: { region?: number } = {}): Promise<TestKeysDb> {
  const test = await testKeysDb(options);
  await test.db.raiseEpoch({ czxid: 10n, ensemble: 'ensemble-a', owner: 'producer-1' });
  if (count > 0) await test.db.generate({ count, epoch: 1 });
  return test;
}

/** One part per pool under the same sequence number. */
export function partsFor(seq: number, pools = ['redis-1', 'redis-2']): { pool: string; seq: number }[] {
  return pools.map((pool) => ({ pool, seq }));
}

/** A client of the keys-db of region 0 at `url`. */
export function openKeysDbAt(url: string): KeysDb {
  return openKeysDb({ name: 'keys-db-1', url, region: 0, keyspace, log });
}
