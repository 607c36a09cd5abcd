import { expect } from 'chai';
import { createConnection, type Connection } from 'mysql2/promise';
import { migrate } from '../../../db/mysql/migrate.ts';
import { createLog } from '../../../runtime/log.ts';
import { ADMIN_TOKEN } from '../../admin-token.ts';
import { testDatabase, testMysql, testRedis, testZooKeeper } from '../../servers.ts';
import type { OpenPage } from './open-page.ts';

/*
 * The stores of a large cluster, on real servers: 64 databases of keys, 16 databases of Redis on four
 * servers, and ZooKeeper. What its processes write there is written by `serve-members`.
 */

export const SIZES = { shards: 64, pools: 16, producers: 20, mappers: 20 } as const;

/** That a page shows the last part of each kind. */
export function expectLastOfEach(page: OpenPage): void {
  for (const [kind, count] of [
    ['producers-producer', SIZES.producers],
    ['mappers-mapper', SIZES.mappers],
    ['shards-keys-db', SIZES.shards],
    ['pools-redis', SIZES.pools],
  ] as const)
    expect(page.textOf(`${kind}-${count}`), kind).not.to.equal('');
}

/**
 * The variables of a mapper of this cluster, `mapper-1`.
 * @param lastPool the URL of the last pool, if it has a server of its own
 */
export async function largeCluster(lastPool?: string): Promise<Record<string, string>> {
  const [{ connect }, redis, keysDbs] = await Promise.all([
    testZooKeeper(),
    testRedis(SIZES.pools),
    keysDatabases(),
  ]);
  const mysql = await testMysql();
  const urls = Array.from(
    { length: 8 },
    (_, at) => `urls-${at + 1}:${at * 4}-${at * 4 + 3}=${mysql.url(`urls_${at}`)}`,
  );
  return {
    KEYMILL_ID: 'mapper-1',
    KEYMILL_ZOOKEEPER: connect,
    KEYMILL_REDIS: redis
      .map(({ name, url }, at) => `${name}=${at === SIZES.pools - 1 ? (lastPool ?? url) : url}`)
      .join(','),
    KEYMILL_KEYS_DBS: keysDbs.map((url, index) => `keys-db-${index + 1}=${url}`).join(','),
    KEYMILL_URLS_DBS: urls.join(','),
    KEYMILL_KEY_SECRET: 'ab'.repeat(32),
    KEYMILL_ADMIN_TOKEN: ADMIN_TOKEN,
  };
}

/** One is migrated, and copied: the others would take a minute. */
async function keysDatabases(): Promise<string[]> {
  const first = await testDatabase('seen');
  await migrate(first, 'keys-db', createLog('test', 'migrate', 'silent'));
  const others = await Promise.all(
    Array.from({ length: SIZES.shards - 1 }, async () => testDatabase('seen')),
  );
  const connection = await createConnection(first);
  try {
    const [tables] = await connection.query<[]>({ sql: 'SHOW TABLES', rowsAsArray: true });
    for (const url of others)
      for (const [table] of tables as readonly [string][])
        await copyTable(connection, table, databaseOf(url));
  } finally {
    await connection.end();
  }
  return [first, ...others];
}

async function copyTable(connection: Connection, table: string, to: string): Promise<void> {
  await connection.query('CREATE TABLE ??.?? LIKE ??', [to, table, table]);
  await connection.query('INSERT INTO ??.?? SELECT * FROM ??', [to, table, table]);
}

function databaseOf(url: string): string {
  return new URL(url).pathname.slice(1);
}
