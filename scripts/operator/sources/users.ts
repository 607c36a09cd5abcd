import { parseEmail } from '../../../db/accounts/email.ts';
import { openUsersDb, type UsersDb } from '../../../db/accounts/users-db.ts';
import type { User } from '../../../db/accounts/users.ts';
import { RefusedError, UsageError } from '../../../runtime/terminal/errors.ts';
import { askOnly, CHANGE_DEADLINE_MS } from './ask.ts';
import type { Cluster } from './find-cluster.ts';

/** @throws UsageError */
export function requireEmail(given: string): string {
  const parsed = parseEmail(given);
  if (parsed.ok) return parsed.email;
  throw new UsageError(`the email "${given}" ${parsed.reason}`);
}

/** @throws UsageError, RefusedError */
export async function requireUser(db: UsersDb, given: string): Promise<User> {
  const email = requireEmail(given);
  const user = await db.users.findByEmail(email);
  if (user === undefined || user.deletionAskedAt !== null)
    throw new RefusedError(`there is no account with the email ${email}`);
  return user;
}

/** Opens the users database for some work. @throws UsageError, RefusedError, UnreachableError */
export async function withUsersDb<T>({ config }: Cluster, work: (db: UsersDb) => Promise<T>): Promise<T> {
  const { usersDb } = config.stores;
  if (usersDb === undefined) throw new UsageError('this cluster has no users database: set KEYMILL_USERS_DB');
  const db = openUsersDb(usersDb);
  try {
    await askOnly('users', async () => db.verify());
    return await askOnly('users', async () => work(db), CHANGE_DEADLINE_MS);
  } finally {
    await db.close();
  }
}
