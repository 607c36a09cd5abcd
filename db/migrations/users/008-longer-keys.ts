import type { MigrationDb } from '../../mysql/migrate.ts';

/** It only widens a column, so release 0.1.0 may go on. */
export const compatibleFrom = 2;

/**
 * Codes of other shorteners are longer than our keys, and people report links with them too. Both MariaDB
 * 10.11 and MySQL 8 let a VARCHAR of at most 255 bytes grow without copying a row.
 */
export async function up(db: MigrationDb): Promise<void> {
  await db.raw('SET SESSION lock_wait_timeout = 2');
  await db.raw(
    `ALTER TABLE reports
       MODIFY unique_id VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'of the link'`,
  );
}
