import type { Mysql } from '../mysql/mysql.ts';

/** A user who may choose a new password. */
export interface ResettableUser {
  readonly userId: bigint;
  readonly email: string;
  /** The hash of the old one. */
  readonly password: string;
}

/** The tokens with which users choose a new password. Every method may throw StoreUnavailableError. */
export class PasswordResets {
  readonly #db: Mysql;

  constructor(db: Mysql) {
    this.#db = db;
  }

  /** Earlier tokens of the user end. @param tokenHash SHA-256 of the token */
  async create(tokenHash: Buffer, userId: bigint, createdAt: Date, expiresAt: Date): Promise<void> {
    await this.#db.transact(
      [
        'DELETE FROM password_resets WHERE user_id = ?',
        'INSERT INTO password_resets (token_hash, user_id, created_at, expires_at) VALUES (?, ?, ?, ?)',
      ],
      [userId, tokenHash, userId, createdAt, expiresAt],
    );
  }

  /**
   * The user of a token that is still good, with the hash of his password. Undefined: used, expired or made
   * up, or the account is gone. `Users.changePassword` uses the token up.
   */
  async find(tokenHash: Buffer, now: Date): Promise<ResettableUser | undefined> {
    const [row] = await this.#db.query<{ id: string; email: string; password: string }>(
      `SELECT CAST(user_id AS CHAR) AS id, email, password FROM password_resets JOIN users USING (user_id)
         WHERE token_hash = ? AND expires_at > ? AND deletion_asked_at IS NULL`,
      [tokenHash, now],
    );
    return row && { userId: BigInt(row.id), email: row.email, password: row.password };
  }
}
