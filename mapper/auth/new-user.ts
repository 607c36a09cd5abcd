import { createUserId } from '../../db/accounts/user-ids.ts';
import type { UsersDb } from '../../db/accounts/users-db.ts';
import type { NewUser, User } from '../../db/accounts/users.ts';

/** Ids are drawn again so often. Each is taken already once in 4 million times. */
const TRIES = 5;

/**
 * Makes an account with a new id.
 * @returns undefined when the email is taken
 * @throws StoreUnavailableError, OutcomeUnknownError
 */
export async function createUser(
  { users }: Pick<UsersDb, 'users'>,
  given: Omit<NewUser, 'id' | 'createdAt'>,
): Promise<User | undefined> {
  for (let tries = 1; ; tries += 1) {
    const createdAt = new Date();
    const user: NewUser = { ...given, createdAt, id: createUserId(createdAt.getTime()) };
    const outcome = await users.create(user);
    if (outcome === 'created')
      return { ...user, updatedAt: createdAt, disabledAt: null, deletionAskedAt: null };
    if (outcome === 'email-taken') return undefined;
    if (tries === TRIES) throw new Error(`${TRIES} ids of users were taken`);
  }
}
