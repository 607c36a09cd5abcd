import type { MigrationDb } from '../../mysql/migrate.ts';

/** It only adds, so release 0.1.0 may go on. */
export const compatibleFrom = 7;

/**
 * Requests that get the same link when they are repeated: each row fixes the key and the request id with
 * which the link is bound. Pruning finds by the index what has expired.
 */
export async function up(db: MigrationDb): Promise<void> {
  await db.raw(
    `CREATE TABLE IF NOT EXISTS reservations (
       slot TINYINT UNSIGNED NOT NULL COMMENT 'crc32(hex(hash)) % 32',
       hash BINARY(32) NOT NULL COMMENT 'of what makes two requests the same one',
       kind TINYINT UNSIGNED NOT NULL COMMENT '1: find_if_exists; 2: Idempotency-Key',
       unique_id VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'key of the link',
       request_id BINARY(16) NOT NULL COMMENT 'with which everybody binds the link',
       fingerprint BINARY(32) NOT NULL COMMENT 'of the body; the first byte names the method',
       created_at DATETIME(3) NOT NULL COMMENT 'of the link',
       expires_at DATETIME(3) NULL COMMENT 'of the reservation; NULL: never',
       PRIMARY KEY (slot, hash),
       KEY reservations_expiry (expires_at)
     ) CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci`,
  );
}
