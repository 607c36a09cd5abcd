import { expect } from 'chai';
import { openUsersDb } from '../../db/accounts/users-db.ts';
import { migrate } from '../../db/mysql/migrate.ts';
import { openMysql } from '../../db/mysql/mysql.ts';
import { MismatchError } from '../../db/store-errors.ts';
import { createLog } from '../../runtime/log.ts';
import { testDatabase } from '../servers.ts';

const log = createLog('test', 'accounts', 'silent');

describe('the users database', () => {
  it('is accepted after the migration, and refused before it', async () => {
    const url = await testDatabase('users');
    const users = openUsersDb({ url });
    try {
      expect(await users.verify().catch((error: unknown) => error)).to.be.instanceOf(MismatchError);
      await migrate(url, 'users', log);
      await users.verify();
    } finally {
      await users.close();
    }
  });

  it('has the columns that outsiders rely on', async () => {
    const url = await testDatabase('users');
    await migrate(url, 'users', log);
    const sql = openMysql(url, { name: 'test' });
    try {
      const columns = await sql.query<{ Field: string }>('SHOW COLUMNS FROM users');
      expect(columns.map((column) => column.Field)).to.include.members([
        'user_id',
        'first_name',
        'middle_name',
        'last_name',
        'email',
        'password',
        'created_at',
        'updated_at',
      ]);
    } finally {
      await sql.close();
    }
  });
});
