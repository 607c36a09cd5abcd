import { expect } from 'chai';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { dumpSchema, migrate } from '../../db/mysql/migrate.ts';
import { COMPATIBILITY_TABLE, MIGRATIONS_TABLE } from '../../db/mysql/schema-version.ts';
import { createLog } from '../../runtime/log.ts';
import { migratedDatabase } from '../migrated-database.ts';
import { testDatabase } from '../servers.ts';

describe('databases of our tables, for tests', function () {
  this.timeout(60_000);

  for (const kind of ['keys-db', 'urls', 'users'] as const)
    it(`are what all migrations make of an empty one (${kind})`, async () => {
      const [migrated, , copy] = [
        await testDatabase(kind),
        await migratedDatabase(kind, kind),
        await migratedDatabase(kind, kind),
      ];
      await migrate(migrated, kind, createLog('test', 'migrate', 'silent'));
      expect(await dumpSchema(copy)).to.equal(await dumpSchema(migrated));
      expect(await settingsOf(copy)).to.equal(await settingsOf(migrated));
      expect(await rowsOf(copy)).to.deep.equal(await rowsOf(migrated));
    });

  it('have an incarnation of their own', async () => {
    const urls = await Promise.all([1, 2, 3].map(async () => migratedDatabase('urls', 'urls')));
    const found = await Promise.all(urls.map(async (url) => query(url, 'SELECT incarnation FROM server')));
    const incarnations = found.map(([row]) => String(row?.['incarnation']));
    expect(new Set(incarnations).size).to.equal(3);
    for (const one of incarnations) expect(one).to.match(/^[0-9a-f]{32}$/);
  });
});

async function settingsOf(url: string): Promise<string> {
  const [row] = await query(
    url,
    'SELECT @@character_set_database AS charset, @@collation_database AS collation',
  );
  return `${row?.['charset']} ${row?.['collation']}`;
}

/** The times of migrations, and what each server has of its own. */
const NOT_COMPARED = { migration_time: undefined, incarnation: undefined };

/** The rows of all tables. */
async function rowsOf(url: string): Promise<Record<string, unknown>> {
  const tables = (await query(url, 'SHOW TABLES')).map((row) => String(Object.values(row)[0]));
  expect(tables).to.include.members([COMPATIBILITY_TABLE, MIGRATIONS_TABLE]);
  const rows = tables.map(async (table) => {
    const found = await query(url, `SELECT * FROM \`${table}\``);
    const compared = found.map((row) => JSON.stringify({ ...row, ...NOT_COMPARED }));
    return [table, compared.toSorted()] as const;
  });
  return Object.fromEntries(await Promise.all(rows));
}

async function query(url: string, sql: string): Promise<RowDataPacket[]> {
  const connection = await createConnection(url);
  try {
    return (await connection.query<RowDataPacket[]>(sql))[0];
  } finally {
    await connection.end();
  }
}
