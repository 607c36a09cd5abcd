import type { Mysql } from '../mysql/mysql.ts';

/** A session as the caller of a request needs it: who it is, and what he may. */
export interface StoredSession {
  readonly userId: bigint;
  readonly isAdmin: boolean;
  readonly usedAt: Date;
  readonly expiresAt: Date;
}

interface SessionRow {
  readonly user_id: string;
  readonly is_admin: number;
  readonly used_at: Date;
  readonly expires_at: Date;
}

export interface NewSession {
  /** SHA-256 of the secret. */
  readonly secretHash: Buffer;
  readonly userId: bigint;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  /** The hash that the given password was compared with. */
  readonly password: string;
}

/** A request waits no longer to learn who sent it. */
export const IDENTIFY_TIMEOUT_MS = 1_000;

/** How many ended sessions one sweep removes. */
const SWEEP_ROWS = 1_000;

/** The table of sessions. Every method may throw StoreUnavailableError. */
export class Sessions {
  readonly #db: Mysql;

  constructor(db: Mysql) {
    this.#db = db;
  }

  /**
   * Waits for a change of the password that is under way, which ends all sessions that it finds.
   * @returns false when the password was changed meanwhile: then no session has begun
   */
  async create({ secretHash, userId, createdAt, expiresAt, password }: NewSession): Promise<boolean> {
    const { affectedRows } = await this.#db.execute(
      `INSERT INTO sessions (secret_hash, user_id, created_at, used_at, expires_at)
         SELECT ?, user_id, ?, ?, ? FROM users WHERE user_id = ? AND BINARY password = ? AND deletion_asked_at IS NULL
         LOCK IN SHARE MODE`,
      [secretHash, createdAt, createdAt, expiresAt, userId, password],
    );
    return affectedRows === 1;
  }

  /** Undefined: ended, never begun, or of a user who is disabled or deleted. The caller checks the expiry. */
  async find(secretHash: Buffer): Promise<StoredSession | undefined> {
    const [row] = await this.#db.query<SessionRow>(
      `SELECT CAST(user_id AS CHAR) AS user_id, is_admin, used_at, expires_at
         FROM sessions JOIN users USING (user_id)
         WHERE secret_hash = ? AND disabled_at IS NULL AND deletion_asked_at IS NULL`,
      [secretHash],
      { timeoutMs: IDENTIFY_TIMEOUT_MS },
    );
    return row && toSession(row);
  }

  /** Moves the end of a session that is used. */
  async extend(secretHash: Buffer, usedAt: Date, expiresAt: Date): Promise<void> {
    await this.#db.execute(
      'UPDATE sessions SET used_at = ?, expires_at = GREATEST(expires_at, ?) WHERE secret_hash = ?',
      [usedAt, expiresAt, secretHash],
    );
  }

  async end(secretHash: Buffer): Promise<void> {
    await this.#db.execute('DELETE FROM sessions WHERE secret_hash = ?', [secretHash]);
  }

  /** Removes sessions and password links whose time is over, some at a time. */
  async removeExpired(now: Date): Promise<void> {
    await this.#db.execute(`DELETE FROM password_resets WHERE expires_at < ? LIMIT ${SWEEP_ROWS}`, [now]);
    await this.#db.execute(`DELETE FROM sessions WHERE expires_at < ? LIMIT ${SWEEP_ROWS}`, [now]);
  }
}

function toSession({ user_id, is_admin, used_at, expires_at }: SessionRow): StoredSession {
  return { userId: BigInt(user_id), isAdmin: is_admin === 1, usedAt: used_at, expiresAt: expires_at };
}
