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

  it('names a server that does not answer, exit code 2', async () => {
    const broken = { ...env, KEYMILL_USERS_DB: 'mysql://nobody:x@127.0.0.1:1/users' };
    const { exitCode, stdout, stderr } = await runKeymill(['prepare'], broken);
    expect(exitCode).to.equal(2);
    expect(stdout).to.equal('up to date: keys-db-1, urls-1\n');
    expect(stderr).to.include('unreachable: users');
  });
});
