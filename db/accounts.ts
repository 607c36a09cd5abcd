import { openMysql } from './mysql/mysql.ts';
import { checkSchema } from './mysql/schema-version.ts';

/** The users database. Links made without an account have no user. Accounts come with the product API. */
export interface UsersDb {
  /**
   * @throws MismatchError when the schema is not this program's; StoreUnavailableError when the database does
   * not answer
   */
  verify(): Promise<void>;
  close(): Promise<void>;
}

/** Connects when first used. */
export function openUsersDb({ url }: { url: string }): UsersDb {
  const db = openMysql(url, { name: 'users', connections: 2 });
  return {
    verify: async () => {
      await checkSchema(db, 'users');
    },
    close: async () => db.close(),
  };
}
