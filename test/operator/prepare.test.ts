import { expect } from 'chai';
import { createConnection } from 'mysql2/promise';
import { testMysql } from '../servers.ts';
import { runKeymill } from './run-keymill.ts';

describe('keymill prepare', () => {
  const PREFIX = 'prepared_by_operator';
  let env: Record<string, string>;

  before(async () => {
    const mysql = await testMysql();
    const url = (database: string): string => mysql.url(database);
    env = {
      KEYMILL_ZOOKEEPER: '127.0.0.1:1',
      KEYMILL_REDIS: 'redis-1=redis://127.0.0.1:1',
      KEYMILL_KEYS_DBS: `keys-db-1=${url(`${PREFIX}_keys`)}`,
      KEYMILL_URLS_DBS: `urls-1:0-31=${url(`${PREFIX}_urls`)}`,
      KEYMILL_USERS_DB: url(`${PREFIX}_users`),
      KEYMILL_KEY_SECRET: 'a secret for tests only',
    };
  });

  async function tables(): Promise<string[]> {
    const connection = await createConnection((await testMysql()).url(''));
    const [rows] = await connection.query(
      'SELECT CONCAT(table_schema, ".", table_name) AS name FROM information_schema.tables WHERE table_schema LIKE ?',
      [`${PREFIX}%`],
    );
    await connection.end();
    return (rows as { name: string }[]).map(({ name }) => name);
  }

  it('creates missing tables in existing databases, also when several run at the same time, and again later', async () => {
    for (const runs of [2, 1]) {
      const outcomes = await Promise.all(
        Array.from({ length: runs }, async () => runKeymill(['prepare', '--json'], env)),
      );
      for (const { exitCode, stdout } of outcomes) {
        expect(JSON.parse(stdout)).to.deep.equal({
          prepared: ['keys-db-1', 'urls-1', 'users'],
          unreachable: [],
        });
        expect(exitCode).to.equal(0);
      }
      expect(await tables()).to.include.members([
        `${PREFIX}_keys.keys`,
        `${PREFIX}_urls.urls`,
        `${PREFIX}_users.users`,
      ]);
    }
  });

  it('records the keyspace in the urls servers, and refuses another secret there and in the keys-dbs', async () => {
    expect(await runKeymill(['prepare'], env)).to.have.property('exitCode', 0);
    const connection = await createConnection((await testMysql()).url(`${PREFIX}_urls`));
    const [rows] = await connection.query('SELECT key_length, region_bits FROM keyspace');
    await connection.end();
    expect(rows).to.deep.equal([{ key_length: 8, region_bits: 10 }]);
    const other = { ...env, KEYMILL_KEY_SECRET: 'the secret of another cluster' };
    const refused = await runKeymill(['prepare'], other);
    expect(refused.exitCode).to.equal(2);
    expect(refused.stderr).to.include('keys-db-1').and.include('another secret than KEYMILL_KEY_SECRET');
    // A new keys-db is no proof of a keyspace for a urls server that has links of another one.
    const keysDbs = `keys-db-1=${(await testMysql()).url(`${PREFIX}_other_keys`)}`;
    const moved = await runKeymill(['prepare'], { ...other, KEYMILL_KEYS_DBS: keysDbs });
    expect(moved.exitCode).to.equal(2);
    expect(moved.stderr).to.include('urls-1').and.include('another secret than KEYMILL_KEY_SECRET');
  });

  it('records the slots of every urls server, so that none is late beside the links of another', async () => {
    const mysql = await testMysql();
    const names = ['urls-1', 'urls-2'];
    const databases = names.map((name) => `${PREFIX}_slots_${name}`);
    const several = {
      ...env,
      KEYMILL_URLS_DBS: names
        .map((name, at) => `${name}:${16 * at}-${16 * at + 15}=${mysql.url(databases[at] ?? '')}`)
        .join(','),
    };
    expect(await runKeymill(['prepare'], several)).to.have.property('exitCode', 0);
    for (const [at, database] of databases.entries()) {
      const connection = await createConnection(mysql.url(database));
      const [rows] = await connection.query(
        'SELECT MIN(slot) AS first, COUNT(*) AS owned FROM slots WHERE owned = 1',
      );
      await connection.end();
      expect(rows).to.deep.equal([{ first: 16 * at, owned: 16 }]);
    }
    const [first = '', second = ''] = several.KEYMILL_URLS_DBS.split(',');
    const remapped = {
      ...env,
      KEYMILL_URLS_DBS: `${first.replace('0-15', '0-7')},${second.replace('16-', '8-')}`,
    };
    const refused = await runKeymill(['prepare'], remapped);
    expect(refused.exitCode).to.equal(2);
    expect(refused.stderr).to.include('urls-1: it records that it owns slots 0-15');
  });

  it('names a server that does not answer, exit code 2', async () => {
    const broken = { ...env, KEYMILL_USERS_DB: 'mysql://nobody:x@127.0.0.1:1/users' };
    const { exitCode, stdout, stderr } = await runKeymill(['prepare'], broken);
    expect(exitCode).to.equal(2);
    expect(stdout).to.equal('up to date: keys-db-1, urls-1\n');
    expect(stderr).to.include('unreachable: users');
  });
});
