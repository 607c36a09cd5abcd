import type { MigrationDb } from '../../mysql/migrate.ts';

/** It only adds, so release 0.1.0 may go on. */
export const compatibleFrom = 7;

/**
 * Whether links with codes of other shorteners have ever been stored here: then there is one row. Without it,
 * a path that can be no key of ours is 404 without a look-up, as nearly all requests of robots are.
 */
export async function up(db: MigrationDb): Promise<void> {
  await db.raw(
    `CREATE TABLE IF NOT EXISTS foreign_codes (
       id TINYINT UNSIGNED NOT NULL PRIMARY KEY,
       since DATETIME(3) NOT NULL
     ) CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci`,
  );
}
