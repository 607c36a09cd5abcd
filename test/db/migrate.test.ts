import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { dumpSchema, migrate } from '../../db/mysql/migrate.ts';
import { openMysql } from '../../db/mysql/mysql.ts';
import { checkSchema, migrationNames, type DatabaseKind } from '../../db/mysql/schema-version.ts';
import { createLog } from '../../runtime/log.ts';
import { testDatabase, testMysql } from '../servers.ts';
import { rejection } from './rejection.ts';

const log = createLog('test', 'migrate', 'silent');
const KINDS: DatabaseKind[] = ['keys-db', 'urls', 'users'];

describe('migrations', () => {
  for (const kind of KINDS) {
    it(`bring a new ${kind} database to the committed schema`, async () => {
      const url = await testDatabase(kind);
      await migrate(url, kind, log);
      const file = fileURLToPath(new URL(`../../db/schema/${kind}.sql`, import.meta.url));
      const dump = await dumpSchema(url);
      if (process.env['KEYMILL_UPDATE_SCHEMA']) await writeFile(file, dump);
      expect(dump).to.equal(await readFile(file, 'utf8'));
      await using db = openMysql(url, { name: kind });
      await checkSchema(db, kind);
    });
  }

  it('create a missing database, and may run again and in several processes at the same time', async () => {
    const mysql = await testMysql();
    const url = mysql.url(`missing_${process.pid}`);
    await Promise.all([migrate(url, 'users', log), migrate(url, 'users', log), migrate(url, 'users', log)]);
    await migrate(url, 'users', log);
    await using db = openMysql(url, { name: 'users' });
    expect(await db.query('SELECT name FROM schema_migrations')).to.have.length(
      migrationNames('users').length,
    );
  });

  it('continue after a crash half-way', async () => {
    const url = await testDatabase('crashed');
    await migrate(url, 'keys-db', log);
    await using db = openMysql(url, { name: 'crashed' });
    // The state after a process was killed between CREATE TABLE and its record, with knex's lock still taken.
    await db.execute("DELETE FROM schema_migrations WHERE name >= '003'");
    await db.execute('UPDATE schema_migrations_lock SET is_locked = 1');
    await db.execute('DROP TABLE gaps');
    await migrate(url, 'keys-db', log);
    expect(await dumpSchema(url)).to.equal(
      await readFile(fileURLToPath(new URL('../../db/schema/keys-db.sql', import.meta.url)), 'utf8'),
    );
  });

  it('refuse a schema newer than the program', async () => {
    const url = await testDatabase('newer');
    await migrate(url, 'urls', log);
    await using db = openMysql(url, { name: 'urls-1' });
    await db.execute(
      "INSERT INTO schema_migrations (name, batch, migration_time) VALUES ('999-future', 9, NOW())",
    );
    await db.execute('UPDATE schema_compatibility SET compatible_from = 999');
    for (const attempt of [() => migrate(url, 'urls', log), () => checkSchema(db, 'urls')]) {
      const error = await rejection(attempt());
      expect(error).to.have.property('code', 'MISMATCH');
      expect(error.message).to.contain('newer than this program').and.contain('999-future');
    }
  });

  it('leave a newer schema as it is, if that allows this program', async () => {
    const url = await testDatabase('compatible');
    await migrate(url, 'urls', log);
    await using db = openMysql(url, { name: 'urls-1' });
    await db.execute(
      "INSERT INTO schema_migrations (name, batch, migration_time) VALUES ('999-added', 9, NOW())",
    );
    await checkSchema(db, 'urls');
    await migrate(url, 'urls', log);
    await db.execute('UPDATE schema_compatibility SET compatible_from = 999');
    expect(await rejection(checkSchema(db, 'urls'))).to.have.property('code', 'MISMATCH');
  });

  it('are found missing in an older or an empty database', async () => {
    const url = await testDatabase('older');
    await using db = openMysql(url, { name: 'urls-1' });
    expect(await rejection(checkSchema(db, 'urls'))).to.have.property('code', 'MISMATCH');
    await migrate(url, 'urls', log);
    await db.execute("DELETE FROM schema_migrations WHERE name = '002-slots'");
    expect((await rejection(checkSchema(db, 'urls'))).message).to.contain(
      'older than this program (missing 002-slots)',
    );
  });
});
