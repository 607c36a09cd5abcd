import type { MigrationDb } from '../../mysql/migrate.ts';

/** It only adds, so release 0.1.0 may go on. */
export const compatibleFrom = 2;

/**
 * Who may do what: administrators, disabled users, accounts that are being deleted; the sessions and API keys
 * of users, and the links with which an operator lets them choose a new password. Only hashes of secrets are
 * stored.
 */
export async function up(db: MigrationDb): Promise<void> {
  await addUserColumns(db);
  await createTable(
    db,
    'sessions',
    `secret_hash BINARY(32) NOT NULL COMMENT 'SHA-256 of the cookie' PRIMARY KEY,
     user_id BIGINT UNSIGNED NOT NULL,
     created_at DATETIME(3) NOT NULL,
     used_at DATETIME(3) NOT NULL,
     expires_at DATETIME(3) NOT NULL,
     KEY sessions_user (user_id),
     KEY sessions_expires (expires_at)`,
  );
  await createTable(
    db,
    'api_keys',
    `key_id CHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'public part of the key' PRIMARY KEY,
     user_id BIGINT UNSIGNED NOT NULL,
     name VARCHAR(100) NOT NULL,
     secret_hash BINARY(32) NOT NULL COMMENT 'SHA-256 of the whole key',
     scopes VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'separated by blanks',
     created_at DATETIME(3) NOT NULL,
     expires_at DATETIME(3) NULL,
     last_used_at DATETIME(3) NULL COMMENT 'to the minute',
     revoked_at DATETIME(3) NULL,
     KEY api_keys_user (user_id, created_at)`,
  );
  await createTable(
    db,
    'password_resets',
    `token_hash BINARY(32) NOT NULL COMMENT 'SHA-256 of the token' PRIMARY KEY,
     user_id BIGINT UNSIGNED NOT NULL,
     created_at DATETIME(3) NOT NULL,
     expires_at DATETIME(3) NOT NULL,
     KEY password_resets_user (user_id),
     KEY password_resets_expires (expires_at)`,
  );
}

async function addUserColumns(db: MigrationDb): Promise<void> {
  const columns = {
    is_admin: 'TINYINT(1) NOT NULL DEFAULT 0',
    disabled_at: 'DATETIME(3) NULL',
    deletion_asked_at: "DATETIME(3) NULL COMMENT 'the account is gone; its links and this row follow'",
    delete_links: 'TINYINT(1) NOT NULL DEFAULT 0',
  };
  for (const [name, definition] of Object.entries(columns)) {
    if (!(await db.schema.hasColumn('users', name)))
      await db.raw(`ALTER TABLE users ADD COLUMN ${name} ${definition}`);
  }
}

async function createTable(db: MigrationDb, name: string, columns: string): Promise<void> {
  await db.raw(`CREATE TABLE IF NOT EXISTS ${name} (${columns}) CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci`);
}
