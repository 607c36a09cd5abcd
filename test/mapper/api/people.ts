import { createUserId } from '../../../db/accounts/user-ids.ts';
import { openUsersDb, type UsersDb } from '../../../db/accounts/users-db.ts';
import { hashPassword } from '../../../mapper/auth/password-hash.ts';
import { createApiKey, createToken } from '../../../mapper/auth/secrets.ts';

export const PASSWORD = 'a good long password';
export const OTHER_PASSWORD = 'another long password';

export interface Person {
  readonly id: bigint;
  readonly email: string;
}

/** Writes accounts, keys and sessions into the users database, without the API. */
export class People implements AsyncDisposable {
  readonly db: UsersDb;
  readonly #hash = hashPassword(PASSWORD);
  #count = 0;

  constructor(url: string) {
    this.db = openUsersDb({ url });
  }

  async person({
    isAdmin = false,
    id = createUserId(Date.now()),
  }: { readonly isAdmin?: boolean; readonly id?: bigint } = {}): Promise<Person> {
    this.#count += 1;
    const email = `person-${this.#count}@example.com`;
    const createdAt = new Date();
    const names = { firstName: null, middleName: null, lastName: null };
    await this.db.users.create({ id, email, password: await this.#hash, isAdmin, createdAt, ...names });
    return { id, email };
  }

  /** @returns the secret and the public part of a key */
  async key(
    { id: userId }: Person,
    scopes: readonly string[],
    { expiresAt = null }: { readonly expiresAt?: Date | null } = {},
  ): Promise<{ key: string; keyId: string }> {
    const { id, text, hash } = createApiKey();
    const row = { id, userId, name: 'a key', secretHash: hash, scopes, createdAt: new Date(), expiresAt };
    await this.db.keys.create(row, 1_000);
    return { key: text, keyId: id };
  }

  /** @returns the cookie of a session */
  async session({ id: userId }: Person, { endsInMs = 3_600_000 } = {}): Promise<string> {
    // Only a password that has not changed since begins a session.
    const password = (await this.db.users.find(userId))?.password ?? '';
    const { text, hash } = createToken();
    const createdAt = new Date();
    const expiresAt = new Date(createdAt.getTime() + endsInMs);
    await this.db.sessions.create({
      secretHash: hash,
      userId,
      createdAt,
      expiresAt,
      password,
    });
    return `keymill_session=${text}`;
  }

  /** Ends the sessions of a user, and tells no mapper. */
  async endSessions({ id }: Person): Promise<void> {
    const { password: from = '' } = (await this.db.users.find(id)) ?? {};
    await this.db.users.changePassword(id, { from, to: await hashPassword(PASSWORD), now: new Date() });
  }

  /** Asks for the deletion of an account. */
  async delete({ id }: Person, { deleteLinks = false } = {}): Promise<void> {
    const password = (await this.db.users.find(id))?.password ?? '';
    await this.db.users.askDeletion(id, { password, deleteLinks, now: new Date() });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.db.close();
  }
}
