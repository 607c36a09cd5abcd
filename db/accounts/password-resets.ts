import type { Mysql } from '../mysql/mysql.ts';

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

  /** The email address of the user of a token, as {@link find} finds him. */
  async findEmail(tokenHash: Buffer, now: Date): Promise<string | undefined> {
    const [row] = await this.#db.query<{ email: string }>(
      `SELECT email FROM password_resets JOIN users USING (user_id)
         WHERE token_hash = ? AND expires_at > ? AND deletion_asked_at IS NULL`,
      [tokenHash, now],
    );
    return row?.email;
  }

  /**
   * The user of a token that is still good, and the hash of his password. Undefined: used, expired or made
   * up, or the account is gone. `Users.changePassword` uses the token up.
   */
  async find(tokenHash: Buffer, now: Date): Promise<{ userId: bigint; password: string } | undefined> {
    const [row] = await this.#db.query<{ id: string; password: string }>(
      `SELECT CAST(user_id AS CHAR) AS id, password FROM password_resets JOIN users USING (user_id)
         WHERE token_hash = ? AND expires_at > ? AND deletion_asked_at IS NULL`,
      [tokenHash, now],
    );
    return row && { userId: BigInt(row.id), password: row.password };
  }
}
