import type { MigrationDb } from '../../mysql/migrate.ts';

/** It only adds, so release 0.1.0 may go on. */
export const compatibleFrom = 2;

/** Reports of people about links, for administrators. No address of a reporter is stored. */
export async function up(db: MigrationDb): Promise<void> {
  await db.raw(`CREATE TABLE IF NOT EXISTS reports (
    report_id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
    unique_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'of the link',
    reason VARCHAR(1000) NOT NULL,
    created_at DATETIME(3) NOT NULL,
    KEY reports_link (unique_id),
    KEY reports_created (created_at)
  ) CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci`);
}
