import type { MigrationDb } from '../../mysql/migrate.ts';

/** It only adds, so release 0.1.0 may go on. */
export const compatibleFrom = 2;

/**
 * Imports stay in the list of their user for longer than their files. Domains that administrators block, with
 * a number that rises with each change, so that a mapper sees one without reading the list.
 */
export async function up(db: MigrationDb): Promise<void> {
  // Those who ask for imports wait behind it.
  await db.raw('SET SESSION lock_wait_timeout = 2');
  if (!(await db.schema.hasColumn('import_jobs', 'file_removed_at')))
    await db.raw(`ALTER TABLE import_jobs
      ADD COLUMN file_removed_at DATETIME(3) NULL COMMENT 'since then there is no report',
      ADD COLUMN removed_at DATETIME(3) NULL COMMENT 'its user has removed it: its file goes in pieces, then the row',
      ADD KEY import_jobs_file (file_removed_at, created_at)`);
  await db.raw(`CREATE TABLE IF NOT EXISTS blocked_domains (
    domain VARCHAR(253) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY COMMENT 'with all names below it',
    block_id BIGINT UNSIGNED NOT NULL COMMENT 'ordered by time',
    note VARCHAR(1000) NULL COMMENT 'why',
    blocked_by BIGINT UNSIGNED NOT NULL COMMENT 'the administrator; the account may be gone',
    blocked_at DATETIME(3) NOT NULL,
    UNIQUE KEY blocked_domains_id (block_id)
  ) CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci`);
  await db.raw(`CREATE TABLE IF NOT EXISTS blocked_domains_version (
    id TINYINT UNSIGNED NOT NULL PRIMARY KEY COMMENT 'always 1',
    version BIGINT UNSIGNED NOT NULL COMMENT 'rises with each change of blocked_domains'
  ) CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci`);
  await db.raw('INSERT IGNORE INTO blocked_domains_version (id, version) VALUES (1, 0)');
}
