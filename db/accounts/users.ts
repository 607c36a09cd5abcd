import { DuplicateRowError } from '../store-errors.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { LISTEN_AGAIN, TELL_S } from './webhooks.ts';

export interface Names {
  readonly firstName: string | null;
  readonly middleName: string | null;
  readonly lastName: string | null;
}

export interface User extends Names {
  readonly id: bigint;
  /** In the form of `parseEmail`. */
  readonly email: string;
  /** A hash in PHC form. */
  readonly password: string;
  readonly isAdmin: boolean;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** Set: keys and sessions are refused, links go on. */
  readonly disabledAt: Date | null;
  /** Set: the account is gone for everybody, and its row is kept until its links are done. */
  readonly deletionAskedAt: Date | null;
}

export type NewUser = Pick<User, 'id' | 'email' | 'password' | 'isAdmin' | 'createdAt'> & Names;

export interface PasswordChange {
  /** The hash until now: of two changes at the same time, only one finds it. */
  readonly from: string;
  readonly to: string;
  readonly now: Date;
  /** Of the password link with which it is chosen, if it is: the link must still be good. */
  readonly tokenHash?: Buffer;
}

const NAME_COLUMNS: Readonly<Record<keyof Names, string>> = {
  firstName: 'first_name',
  middleName: 'middle_name',
  lastName: 'last_name',
};

interface UserRow {
  readonly id: string;
  readonly email: string;
  readonly password: string;
  readonly first_name: string | null;
  readonly middle_name: string | null;
  readonly last_name: string | null;
  readonly is_admin: number;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly disabled_at: Date | null;
  readonly deletion_asked_at: Date | null;
}

// The driver would round an id above 2^53.
const COLUMNS = `CAST(user_id AS CHAR) AS id, email, password, first_name, middle_name, last_name, is_admin,
  created_at, updated_at, disabled_at, deletion_asked_at`;

/**
 * The statements that end everything with which a user proves who he is, except keys. `condition` is about
 * the columns of his row; a value for the user's id comes before those of the condition.
 */
function endProofs(condition: string): string[] {
  return ['sessions', 'password_resets'].map(
    (table) => `DELETE ${table} FROM ${table} JOIN users USING (user_id) WHERE user_id = ? AND ${condition}`,
  );
}

const PAGE_ROWS = 500;

/** An account that is being deleted. */
export interface Deletion {
  readonly id: bigint;
  readonly deleteLinks: boolean;
  readonly askedAt: Date;
  /** So long ago that no request can still make a link, and that webhooks were told of those deleted. */
  readonly isSettled: boolean;
}

interface DeletionRow {
  readonly id: string;
  readonly delete_links: number;
  readonly deletion_asked_at: Date;
  readonly is_settled: number;
}

/** Longer than making a link takes. Bulks ask again who sends them. The clock of the database counts it. */
const SETTLE_S = 15;
/** A place in the list of deletions, as a range of the index. */
const BEHIND = 'deletion_asked_at >= ? AND (deletion_asked_at > ? OR user_id > ?)';

/**
 * The table of users. Every method may throw StoreUnavailableError; those that write, OutcomeUnknownError.
 */
export class Users {
  readonly #db: Mysql;

  constructor(db: Mysql) {
    this.#db = db;
  }

  /** @returns what is taken already: the email, or (once in a long time) the id */
  async create(user: NewUser): Promise<'created' | 'email-taken' | 'id-taken'> {
    const { id, email, password, isAdmin, createdAt, firstName, middleName, lastName } = user;
    try {
      await this.#db.execute(
        `INSERT INTO users (user_id, email, password, first_name, middle_name, last_name, is_admin,
           created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        [id, email, password, firstName, middleName, lastName, isAdmin, createdAt, createdAt],
      );
      return 'created';
    } catch (error) {
      if (!(error instanceof DuplicateRowError)) throw error;
      return error.message.includes('users_email') ? 'email-taken' : 'id-taken';
    }
  }

  async find(id: bigint): Promise<User | undefined> {
    const [row] = await this.#db.query<UserRow>(`SELECT ${COLUMNS} FROM users WHERE user_id = ?`, [id]);
    return row && toUser(row);
  }

  async findByEmail(email: string): Promise<User | undefined> {
    const [row] = await this.#db.query<UserRow>(`SELECT ${COLUMNS} FROM users WHERE email = ?`, [email]);
    return row && toUser(row);
  }

  /**
   * Users, newest first, without those that are being deleted.
   * @param email how the email begins; undefined: all
   * @param isDisabled undefined: whether or not
   * @param before undefined: from the newest on
   */
  async list({
    email,
    isDisabled,
    before,
    limit,
  }: {
    readonly email: string | undefined;
    readonly isDisabled?: boolean | undefined;
    readonly before: bigint | undefined;
    readonly limit: number;
  }): Promise<User[]> {
    const state = isDisabled === undefined ? '' : `AND disabled_at IS ${isDisabled ? 'NOT ' : ''}NULL`;
    const pattern = email === undefined ? null : `${email.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;
    const rows = await this.#db.query<UserRow>(
      `SELECT ${COLUMNS} FROM users
         WHERE deletion_asked_at IS NULL ${state} AND (? IS NULL OR email LIKE ?) AND (? IS NULL OR user_id < ?)
         ORDER BY user_id DESC LIMIT ?`,
      [pattern, pattern, before ?? null, before ?? null, limit],
    );
    return rows.map(toUser);
  }

  /** All users, oldest first. */
  async *all(): AsyncGenerator<User> {
    let after = 0n;
    for (;;) {
      const rows = await this.#db.query<UserRow>(
        `SELECT ${COLUMNS} FROM users WHERE user_id > ? ORDER BY user_id LIMIT ${PAGE_ROWS}`,
        [after],
      );
      for (const row of rows) yield toUser(row);
      if (rows.length < PAGE_ROWS) return;
      after = BigInt(rows.at(-1)?.id ?? 0);
    }
  }

  /** Names that are absent stay as they are. @returns false when there is no such user */
  async rename(id: bigint, names: Partial<Names>, now: Date): Promise<boolean> {
    const given = (Object.keys(NAME_COLUMNS) as (keyof Names)[]).filter((name) => names[name] !== undefined);
    const { affectedRows } = await this.#db.execute(
      `UPDATE users SET ${given.map((name) => `${NAME_COLUMNS[name]} = ?, `).join('')}updated_at = ?
         WHERE user_id = ?`,
      [...given.map((name) => names[name] ?? null), now, id],
    );
    return affectedRows === 1;
  }

  /**
   * Also ends all sessions and every link with which a new password may be chosen. Keys go on.
   * @returns false when nothing has changed: `from` is not the hash any more, the token is not good any more,
   *   or the account is gone
   */
  async changePassword(id: bigint, { from, to, now, tokenHash }: PasswordChange): Promise<boolean> {
    const token = `EXISTS (SELECT 1 FROM password_resets
      WHERE token_hash = ? AND password_resets.user_id = users.user_id AND expires_at > ?)`;
    // Each hash has a salt of its own. So the new one is there only if this UPDATE has written it.
    const ends = endProofs('BINARY password = ?');
    const [changed] = await this.#db.transact(
      [
        `UPDATE users SET password = ?, updated_at = ?
           WHERE user_id = ? AND BINARY password = ? AND deletion_asked_at IS NULL
             ${tokenHash === undefined ? '' : `AND ${token}`}`,
        ...ends,
      ],
      [
        to,
        now,
        id,
        from,
        ...(tokenHash === undefined ? [] : [tokenHash, now]),
        ...ends.flatMap(() => [id, to]),
      ],
    );
    return changed === 1;
  }

  /**
   * Ends everything with which a user proves who he is, keys too: somebody else may have it.
   * @param password the hash of no password
   * @returns how many keys were revoked
   */
  async endAllProofs(id: bigint, password: string, now: Date): Promise<number> {
    const ends = endProofs('TRUE');
    const [, revoked = 0] = await this.#db.transact(
      [
        'UPDATE users SET password = ?, updated_at = ? WHERE user_id = ?',
        'UPDATE api_keys SET revoked_at = ? WHERE user_id = ? AND revoked_at IS NULL',
        ...ends,
      ],
      [password, now, id, now, id, ...ends.map(() => id)],
    );
    return revoked;
  }

  /** @returns false when there is no such user */
  async setDisabled(id: bigint, isDisabled: boolean, now: Date): Promise<boolean> {
    const set = 'UPDATE users SET disabled_at = ?, updated_at = ? WHERE user_id = ?';
    const disabledAt = isDisabled ? now : null;
    const [, changed] = await this.#db.transact([LISTEN_AGAIN, set], [now, id, disabledAt, now, id]);
    return changed === 1;
  }

  /**
   * Ends an account: from now on nobody is this user. The row stays, so that its links can be changed one
   * after another and after a crash again; {@link remove} is the last step. The email is free when the row
   * is gone.
   * @param password the hash with which the password that was given has been compared
   * @returns false when nothing has changed: it is not the hash any more, or the account is gone already
   */
  async askDeletion(
    id: bigint,
    { password, deleteLinks, now }: { password: string; deleteLinks: boolean; now: Date },
  ): Promise<boolean> {
    const isGone = 'deletion_asked_at IS NOT NULL';
    const ends = endProofs(isGone);
    const [asked] = await this.#db.transact(
      [
        `UPDATE users SET deletion_asked_at = UTC_TIMESTAMP(3), delete_links = ?, updated_at = ?
           WHERE user_id = ? AND BINARY password = ? AND deletion_asked_at IS NULL`,
        `UPDATE api_keys JOIN users USING (user_id) SET revoked_at = ?
           WHERE user_id = ? AND ${isGone} AND revoked_at IS NULL`,
        ...ends,
      ],
      [deleteLinks, now, id, password, now, id, ...ends.map(() => id)],
    );
    return asked === 1;
  }

  /**
   * The accounts whose deletion has been asked for and is not done, oldest first.
   * @param after undefined: from the oldest on
   */
  async listDeletions({
    after,
    limit,
  }: {
    readonly after?: Deletion | undefined;
    readonly limit: number;
  }): Promise<Deletion[]> {
    const rows = await this.#db.query<DeletionRow>(
      `SELECT CAST(user_id AS CHAR) AS id, delete_links, deletion_asked_at,
         deletion_asked_at <= UTC_TIMESTAMP(3) - INTERVAL GREATEST(${SETTLE_S}, ${TELL_S}) SECOND AS is_settled
         FROM users WHERE ${after === undefined ? 'deletion_asked_at IS NOT NULL' : BEHIND}
         ORDER BY deletion_asked_at, user_id LIMIT ?`,
      [...(after === undefined ? [] : [after.askedAt, after.askedAt, after.id]), limit],
    );
    return rows.map((row) => ({
      id: BigInt(row.id),
      deleteLinks: row.delete_links === 1,
      askedAt: row.deletion_asked_at,
      isSettled: row.is_settled === 1,
    }));
  }

  /** The last step of a deletion, when no link has this owner any more. Does nothing to other accounts. */
  async remove(id: bigint): Promise<void> {
    const isGoing = 'JOIN users USING (user_id) WHERE user_id = ? AND deletion_asked_at IS NOT NULL';
    await this.#db.transact(
      [
        `DELETE api_keys FROM api_keys ${isGoing}`,
        `DELETE webhook_deliveries FROM webhook_deliveries JOIN webhooks USING (webhook_id) ${isGoing}`,
        `DELETE webhooks FROM webhooks ${isGoing}`,
        'DELETE FROM users WHERE user_id = ? AND deletion_asked_at IS NOT NULL',
      ],
      [id, id, id, id],
    );
  }
}

function toUser(row: UserRow): User {
  return {
    id: BigInt(row.id),
    email: row.email,
    password: row.password,
    firstName: row.first_name,
    middleName: row.middle_name,
    lastName: row.last_name,
    isAdmin: row.is_admin === 1,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    disabledAt: row.disabled_at,
    deletionAskedAt: row.deletion_asked_at,
  };
}
