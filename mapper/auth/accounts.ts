import type { ApiKey } from '../../db/accounts/api-keys.ts';
import type { Names, User } from '../../db/accounts/users.ts';
import type { UsersDb } from '../../db/accounts/users-db.ts';
import { invalidFields, Problem } from '../http/problem.ts';
import { SESSION_MS } from './credential.ts';
import type { Identities, Identity } from './identities.ts';
import { formatIdentityChange } from './identity-change.ts';
import { createUser } from './new-user.ts';
import type { Passwords } from './passwords.ts';
import { isAllowed, type Scope } from './scopes.ts';
import { createApiKey, createToken, isKeyId, parseToken, type Secret } from './secrets.ts';
import type { UsersStore } from './users-store.ts';

export interface AccountsOptions {
  readonly store: UsersStore;
  readonly passwords: Passwords;
  readonly identities: Identities;
  /** Resolves when all mappers have heard the message, or after half a second. Never rejects. */
  readonly announce: (message: string) => Promise<unknown>;
  readonly isSignupOpen: boolean;
  /** Counts sign-ins. */
  readonly onSignIn: (result: 'ok' | 'wrong' | 'disabled') => void;
}

const MAX_KEYS = 100;
const ID_TRIES = 5;

/**
 * What people do with their accounts: sign up, sign in, keys, password, deletion. Every method may throw a
 * Problem 503 when the users database is away. What ends a proof of identity is announced to all mappers
 * before it is answered.
 */
export class Accounts {
  readonly #options: AccountsOptions;

  constructor(options: AccountsOptions) {
    this.#options = options;
  }

  /** @throws Problem 403 sign-up is closed, 409 the email is taken, 422 a common password */
  async signUp({ email, password, ...names }: Names & { email: string; password: string }): Promise<User> {
    const { store, passwords, isSignupOpen } = this.#options;
    if (!isSignupOpen) throw new Problem('signup-closed');
    // Before the hash, which costs much more.
    if ((await store.ask(async (db) => db.users.findByEmail(email))) !== undefined) throw emailTaken();
    const hash = await passwords.hash(password, 'password');
    const user = await store.ask(async (db) =>
      createUser(db, { email, password: hash, isAdmin: false, ...names }),
    );
    if (user === undefined) throw emailTaken();
    return user;
  }

  /**
   * Begins a session. A user who does not exist costs the same work as a wrong password.
   * @throws Problem 401 wrong email or password, 403 the account is disabled
   */
  async signIn(email: string, password: string): Promise<{ user: User; session: Secret }> {
    const { store, passwords, onSignIn } = this.#options;
    const found = await store.ask(async (db) => db.users.findByEmail(email));
    const user = found?.deletionAskedAt === null ? found : undefined;
    const isRight = await passwords.isRight(password, user?.password);
    const isLetIn = user !== undefined && isRight;
    onSignIn(!isLetIn ? 'wrong' : user.disabledAt === null ? 'ok' : 'disabled');
    if (!isLetIn) throw new Problem('wrong-password');
    if (user.disabledAt !== null) throw new Problem('account-disabled');
    return { user, session: await this.#beginSession(user.id, user.password) };
  }

  /**
   * Begins the session of a user whose account this very request has made. Nothing is compared: the request
   * had the password, and a second hash would cost as much as all the rest of a sign-up.
   * @throws Problem 401 when the account is gone, or its password has changed meanwhile
   */
  async signInNew(userId: bigint): Promise<Secret> {
    const { store, onSignIn } = this.#options;
    const user = await store.ask(async (db) => db.users.find(userId));
    if (user === undefined) throw new Problem('wrong-password');
    const session = await this.#beginSession(user.id, user.password);
    onSignIn('ok');
    return session;
  }

  /** Ends the session of the request, if it has one. */
  async signOut(sessionHash: Buffer, userId: bigint): Promise<void> {
    await this.#change(userId, async (db) => db.sessions.end(sessionHash));
  }

  /** The email address of the user who may choose a password with this token. Undefined: it is not valid. */
  async findResetEmail(token: string): Promise<string | undefined> {
    const tokenHash = parseToken(token);
    if (tokenHash === undefined) return undefined;
    const reset = await this.#options.store.ask(async (db) => db.resets.find(tokenHash, new Date()));
    return reset?.email;
  }

  /** @throws Problem 401 when the account is gone */
  async profile({ userId }: Identity): Promise<User> {
    const user = await this.#options.store.ask(async (db) => db.users.find(userId));
    if (user === undefined || user.deletionAskedAt !== null) throw new Problem('bad-credential');
    return user;
  }

  /** Absent names stay as they are. */
  async rename(identity: Identity, change: Partial<Names>): Promise<User> {
    await this.#options.store.ask(async (db) => db.users.rename(identity.userId, change, new Date()));
    return this.profile(identity);
  }

  /**
   * Ends all sessions, also that of the request, which gets a new one.
   * @returns the new session; undefined when the request came with a key
   * @throws Problem 422 wrong current password, or a common new one
   */
  async changePassword(identity: Identity, current: string, next: string): Promise<Secret | undefined> {
    const { passwords } = this.#options;
    const { userId, proof } = identity;
    const { password: from } = await this.profile(identity);
    const to = await passwords.replace({ current, stored: from, next }, 'new');
    if (to === undefined) throw wrongPassword('current');
    const isChanged = await this.#change(userId, async (db) =>
      db.users.changePassword(userId, { from, to, now: new Date() }),
    );
    if (!isChanged) throw await this.#changedMeanwhile(identity, 'current');
    return proof.kind === 'session' ? this.#beginSession(userId, to) : undefined;
  }

  /** @throws Problem 422 when the token is made up, used or expired, or the password is a common one */
  async resetPassword(token: string, next: string): Promise<void> {
    const { store, passwords } = this.#options;
    const tokenHash = parseToken(token);
    const reset = tokenHash && (await store.ask(async (db) => db.resets.find(tokenHash, new Date())));
    if (tokenHash === undefined || reset === undefined) throw badToken();
    const { userId, password: from } = reset;
    const to = await passwords.hash(next, 'new');
    const isChanged = await this.#change(userId, async (db) =>
      db.users.changePassword(userId, { from, to, now: new Date(), tokenHash }),
    );
    if (!isChanged) throw badToken();
  }

  /**
   * Ends the account: nobody is this user from now on. Its links are changed afterwards, by the job that
   * reads `Users.listDeletions`.
   * @throws Problem 422 wrong password
   */
  async delete(identity: Identity, given: string, deleteLinks: boolean): Promise<void> {
    const password = await this.#requirePassword(identity, given, 'password');
    const { userId } = identity;
    const isAsked = await this.#change(userId, async (db) =>
      db.users.askDeletion(userId, { password, deleteLinks, now: new Date() }),
    );
    if (!isAsked) throw await this.#changedMeanwhile(identity, 'password');
  }

  /**
   * A key may do no more than the key or session that makes it, and ends no later than that key.
   * @throws Problem 401 when that has ended meanwhile, 403 for a scope that it lacks, 422 for a later end,
   *   and when the user has too many keys
   */
  async createKey(
    identity: Identity,
    { name, scopes, expiresAt }: { name: string; scopes: readonly Scope[]; expiresAt: Date | null },
  ): Promise<{ key: ApiKey; secret: string }> {
    for (const scope of scopes) if (!isAllowed(identity.scopes, scope)) throw missingScope(scope);
    const { userId, proof } = identity;
    const ends = endOfNewKey(identity, expiresAt);
    for (let tries = 1; ; tries += 1) {
      const { id, text, hash } = createApiKey();
      const key = { id, name, scopes, createdAt: new Date(), expiresAt: ends };
      const outcome = await this.#options.store.ask(async (db) =>
        db.keys.create({ ...key, userId, secretHash: hash }, MAX_KEYS, proof),
      );
      if (outcome === 'refused') throw await this.#whyNoKey(identity);
      const madeWith = proof.kind === 'key' ? proof.id : null;
      if (outcome === 'created') return { key: { ...key, lastUsedAt: null, madeWith }, secret: text };
      if (tries === ID_TRIES) throw new Error(`${ID_TRIES} ids of keys were taken`);
    }
  }

  async #whyNoKey({ proof }: Identity): Promise<Problem> {
    const maker = await this.#options.store.ask(async (db) =>
      proof.kind === 'key' ? db.keys.find(proof.id) : db.sessions.find(proof.hash),
    );
    if (maker === undefined) return new Problem('bad-credential');
    return invalidFields([{ field: '', reason: `you have ${MAX_KEYS} keys already; revoke one first` }]);
  }

  async listKeys({ userId }: Identity): Promise<ApiKey[]> {
    return this.#options.store.ask(async (db) => db.keys.list(userId));
  }

  /** @throws Problem 404 when this user has no such key */
  async revokeKey({ userId }: Identity, id: string): Promise<void> {
    const isRevoked =
      isKeyId(id) && (await this.#change(userId, async (db) => db.keys.revoke(id, userId, new Date())));
    if (!isRevoked) throw new Problem('not-found', { detail: 'You have no such key.' });
  }

  async #beginSession(userId: bigint, password: string): Promise<Secret> {
    const session = createToken();
    const createdAt = new Date();
    const expiresAt = new Date(createdAt.getTime() + SESSION_MS);
    const isBegun = await this.#options.store.ask(async (db) =>
      db.sessions.create({ secretHash: session.hash, userId, createdAt, expiresAt, password }),
    );
    if (!isBegun) throw new Problem('wrong-password');
    return session;
  }

  /** @returns the hash with which the password was compared: what follows must find it unchanged */
  async #requirePassword(identity: Identity, given: string, field: string): Promise<string> {
    const { password } = await this.profile(identity);
    if (!(await this.#options.passwords.isRight(given, password))) throw wrongPassword(field);
    return password;
  }

  /** Another request was first: what was given is wrong now, or the account is gone. */
  async #changedMeanwhile(identity: Identity, field: string): Promise<Problem> {
    await this.profile(identity);
    return wrongPassword(field);
  }

  /**
   * Writes who somebody is from now on. Then all mappers ask the store again, also when the answer was lost:
   * the write may have happened, and the caller's next attempt finds nothing to change.
   * @param write false: it has changed nothing, and nobody is told
   */
  async #change<T>(userId: bigint, write: (db: UsersDb) => Promise<T>): Promise<T> {
    const { store, identities, announce } = this.#options;
    let hasChanged = true;
    try {
      const result = await store.ask(write);
      hasChanged = result !== false;
      return result;
    } finally {
      if (hasChanged) {
        identities.forgetUser(userId);
        await announce(formatIdentityChange(userId));
      }
    }
  }
}

/** 403, naming the scope. */
export function missingScope(scope: Scope): Problem {
  return new Problem('missing-scope', { detail: `This needs the scope ${scope}.` });
}

/**
 * When a new key ends: as asked, but no later than the key that makes it. Otherwise a key that was found by
 * somebody else would outlive its own end. @throws Problem 422
 */
function endOfNewKey({ proof, endsAtMs }: Identity, asked: Date | null): Date | null {
  if (proof.kind !== 'key' || endsAtMs === Number.POSITIVE_INFINITY) return asked;
  const latest = new Date(endsAtMs);
  if (asked === null || asked.getTime() <= endsAtMs) return asked ?? latest;
  const reason = `must not be after the end of the key that makes it, ${latest.toISOString()}`;
  throw invalidFields([{ field: 'expires_at', reason }]);
}

function emailTaken(): Problem {
  return new Problem('email-taken', { errors: [{ field: 'email', reason: 'is taken' }] });
}

function wrongPassword(field: string): Problem {
  return invalidFields([{ field, reason: 'is wrong' }]);
}

function badToken(): Problem {
  return invalidFields([{ field: 'token', reason: 'is used already, too old, or made up' }]);
}
