import { DuplicateRowError } from '../store-errors.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { IDENTIFY_TIMEOUT_MS } from './sessions.ts';

/** What an operator and the owner see of a key. */
export interface ApiKey {
  /** The public part, 8 characters. */
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  /** To the minute. */
  readonly lastUsedAt: Date | null;
}

export interface NewApiKey extends Omit<ApiKey, 'lastUsedAt'> {
  readonly userId: bigint;
  /** SHA-256 of the whole key. */
  readonly secretHash: Buffer;
}

/** A key as the caller of a request needs it. */
export interface StoredApiKey {
  readonly userId: bigint;
  readonly isAdmin: boolean;
  readonly secretHash: Buffer;
  readonly scopes: readonly string[];
  readonly expiresAt: Date | null;
  readonly lastUsedAt: Date | null;
}

interface ApiKeyRow {
  readonly key_id: string;
  readonly name: string;
  readonly scopes: string;
  readonly created_at: Date;
  readonly expires_at: Date | null;
  readonly last_used_at: Date | null;
}

interface ProofRow extends Omit<ApiKeyRow, 'name' | 'created_at'> {
  readonly user_id: string;
  readonly is_admin: number;
  readonly secret_hash: Buffer;
}

/** The table of API keys. Every method may throw StoreUnavailableError. */
export class ApiKeys {
  readonly #db: Mysql;

  constructor(db: Mysql) {
    this.#db = db;
  }

  /**
   * @param most keys that a user may have
   * @returns `too-many`: he has them already. `id-taken`: draw another id
   */
  async create(key: NewApiKey, most: number): Promise<'created' | 'too-many' | 'id-taken'> {
    const { id, userId, name, secretHash, scopes, createdAt, expiresAt } = key;
    try {
      const { affectedRows } = await this.#db.execute(
        `INSERT INTO api_keys (key_id, user_id, name, secret_hash, scopes, created_at, expires_at)
           SELECT ?, ?, ?, ?, ?, ?, ? FROM DUAL
           WHERE (SELECT COUNT(*) FROM api_keys WHERE user_id = ? AND revoked_at IS NULL) < ?`,
        [id, userId, name, secretHash, scopes.join(' '), createdAt, expiresAt, userId, most],
      );
      return affectedRows === 1 ? 'created' : 'too-many';
    } catch (error) {
      if (error instanceof DuplicateRowError) return 'id-taken';
      throw error;
    }
  }

  /** The keys of a user that are not revoked, newest first; at most as many as he may have. */
  async list(userId: bigint): Promise<ApiKey[]> {
    const rows = await this.#db.query<ApiKeyRow>(
      `SELECT key_id, name, scopes, created_at, expires_at, last_used_at FROM api_keys
         WHERE user_id = ? AND revoked_at IS NULL ORDER BY created_at DESC, key_id`,
      [userId],
    );
    return rows.map((row) => ({
      id: row.key_id,
      name: row.name,
      scopes: row.scopes.split(' '),
      createdAt: row.created_at,
      expiresAt: row.expires_at,
      lastUsedAt: row.last_used_at,
    }));
  }

  /** Undefined: never made, revoked, or of a user who is disabled or deleted. The caller checks the rest. */
  async find(id: string): Promise<StoredApiKey | undefined> {
    const [row] = await this.#db.query<ProofRow>(
      `SELECT key_id, CAST(user_id AS CHAR) AS user_id, is_admin, secret_hash, scopes, expires_at, last_used_at
         FROM api_keys JOIN users USING (user_id)
         WHERE key_id = ? AND revoked_at IS NULL AND disabled_at IS NULL AND deletion_asked_at IS NULL`,
      [id],
      { timeoutMs: IDENTIFY_TIMEOUT_MS },
    );
    if (row === undefined) return undefined;
    return {
      userId: BigInt(row.user_id),
      isAdmin: row.is_admin === 1,
      secretHash: row.secret_hash,
      scopes: row.scopes.split(' '),
      expiresAt: row.expires_at,
      lastUsedAt: row.last_used_at,
    };
  }

  /** @returns false when this user has no such key, or it is revoked already */
  async revoke(id: string, userId: bigint, now: Date): Promise<boolean> {
    const { affectedRows } = await this.#db.execute(
      'UPDATE api_keys SET revoked_at = ? WHERE key_id = ? AND user_id = ? AND revoked_at IS NULL',
      [now, id, userId],
    );
    return affectedRows === 1;
  }

  /** Records that all these keys were used, in one statement: each one would be a commit of its own. */
  async markUsed(ids: readonly string[], at: Date): Promise<void> {
    if (ids.length === 0) return;
    // Sorted: two mappers that lock the same rows lock them in the same order.
    await this.#db.execute(
      'UPDATE api_keys SET last_used_at = ? WHERE key_id IN (?) AND (last_used_at IS NULL OR last_used_at < ?)',
      [at, ids.toSorted(), at],
    );
  }
}
