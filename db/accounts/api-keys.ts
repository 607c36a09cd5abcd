import { repeatAfterDeadlock } from '../mysql/deadlock.ts';
import type { SqlValue } from '../mysql/driver.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { DuplicateRowError } from '../store-errors.ts';
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
  /** The id of the key with which it was made. Null: it was made with a session. */
  readonly madeWith: string | null;
}

/** With what a key is made. */
export type KeyMaker =
  { readonly kind: 'key'; readonly id: string } | { readonly kind: 'session'; readonly hash: Buffer };

export interface NewApiKey extends Omit<ApiKey, 'lastUsedAt' | 'madeWith'> {
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
  readonly made_with: string;
}

interface ProofRow extends Omit<ApiKeyRow, 'name' | 'created_at' | 'made_with'> {
  readonly user_id: string;
  readonly is_admin: number;
  readonly secret_hash: Buffer;
}

/**
 * Keys of one user are made and revoked one after another. So no key is made with one that is being revoked,
 * and no user gets more of them than he may have.
 */
const LOCK_USER = 'SELECT user_id FROM users WHERE user_id = ? FOR UPDATE';

/** The table of API keys. Every method may throw StoreUnavailableError. */
export class ApiKeys {
  readonly #db: Mysql;

  constructor(db: Mysql) {
    this.#db = db;
  }

  /**
   * @param maker undefined: an operator makes it
   * @param most keys that a user may have
   * @returns `refused`: he has them already, or the maker is not valid any more. `id-taken`: draw another id
   */
  async create(key: NewApiKey, most: number, maker?: KeyMaker): Promise<'created' | 'refused' | 'id-taken'> {
    const { id, userId, name, secretHash, scopes, createdAt, expiresAt } = key;
    const { madeWith, source, params } = sourceOf(maker);
    try {
      const [, created] = await this.#db.transact(
        [
          LOCK_USER,
          `INSERT INTO api_keys
               (key_id, user_id, name, secret_hash, scopes, created_at, expires_at, made_with)
             SELECT ?, ?, ?, ?, ?, ?, ?, ${madeWith} FROM users ${source}
             WHERE users.user_id = ? AND disabled_at IS NULL AND deletion_asked_at IS NULL
               AND (SELECT COUNT(*) FROM api_keys WHERE user_id = ? AND revoked_at IS NULL) < ?`,
        ],
        [
          userId,
          id,
          userId,
          name,
          secretHash,
          scopes.join(' '),
          createdAt,
          expiresAt,
          ...params,
          userId,
          userId,
          most,
        ],
      );
      return created === 1 ? 'created' : 'refused';
    } catch (error) {
      if (error instanceof DuplicateRowError) return 'id-taken';
      throw error;
    }
  }

  /** The keys of a user that are not revoked, newest first; at most as many as he may have. */
  async list(userId: bigint): Promise<ApiKey[]> {
    const rows = await this.#db.query<ApiKeyRow>(
      `SELECT key_id, name, scopes, created_at, expires_at, last_used_at, made_with FROM api_keys
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
      madeWith: row.made_with === '' ? null : (row.made_with.split(' ').at(-1) ?? null),
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

  /**
   * Revokes a key and all that were made with it, directly or not: who has found it may have made them.
   * @returns false when this user has no such key, or it is revoked already
   */
  async revoke(id: string, userId: bigint, now: Date): Promise<boolean> {
    const [, revoked = 0] = await repeatAfterDeadlock(async () =>
      this.#db.transact(
        [
          LOCK_USER,
          `UPDATE api_keys SET revoked_at = ?
             WHERE user_id = ? AND revoked_at IS NULL AND (key_id = ? OR CONCAT(' ', made_with, ' ') LIKE ?)`,
        ],
        [userId, now, userId, id, `% ${id} %`],
      ),
    );
    return revoked > 0;
  }

  /** Records that all these keys were used, in one statement: each one would be a commit of its own. */
  async markUsed(ids: readonly string[], at: Date): Promise<void> {
    if (ids.length === 0) return;
    // Sorted: two mappers that lock the same rows lock them in the same order.
    await repeatAfterDeadlock(async () =>
      this.#db.execute(
        'UPDATE api_keys SET last_used_at = ? WHERE key_id IN (?) AND (last_used_at IS NULL OR last_used_at < ?)',
        [at, ids.toSorted(), at],
      ),
    );
  }
}

/** Where a maker is looked up while a key is made, and what of it the key remembers. */
function sourceOf(maker: KeyMaker | undefined): {
  readonly madeWith: string;
  readonly source: string;
  readonly params: readonly SqlValue[];
} {
  if (maker === undefined) return { madeWith: "''", source: '', params: [] };
  if (maker.kind === 'session')
    return {
      madeWith: "''",
      source: 'JOIN sessions ON sessions.user_id = users.user_id AND sessions.secret_hash = ?',
      params: [maker.hash],
    };
  return {
    madeWith: "TRIM(CONCAT(maker.made_with, ' ', maker.key_id))",
    source: `JOIN api_keys AS maker
      ON maker.user_id = users.user_id AND maker.key_id = ? AND maker.revoked_at IS NULL`,
    params: [maker.id],
  };
}
