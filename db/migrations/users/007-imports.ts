import type { MigrationDb } from '../../mysql/migrate.ts';

/** It only adds, so release 0.1.0 may go on. */
export const compatibleFrom = 2;

/**
 * Files of links that were uploaded, in pieces, so that any mapper can go on with an import. Reports may be
 * about imported codes, which are longer than keys of ours.
 */
export async function up(db: MigrationDb): Promise<void> {
  await db.raw(`CREATE TABLE IF NOT EXISTS import_jobs (
    job_id BINARY(16) NOT NULL PRIMARY KEY,
    user_id BIGINT UNSIGNED NOT NULL COMMENT 'whose links they become',
    created_at DATETIME(3) NOT NULL,
    options TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'JSON',
    bytes BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'of the file; 0: it is still uploaded',
    state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'uploading, waiting, running, done or failed',
    progress MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL COMMENT 'JSON',
    reason VARCHAR(1000) NULL COMMENT 'why it failed, or waits',
    holder VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'the process that carries it out',
    held_until DATETIME(3) NULL COMMENT 'then another process may go on',
    attempts TINYINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'since more of it was done than ever before',
    furthest BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'how many records were done',
    finished_at DATETIME(3) NULL,
    KEY import_jobs_user (user_id, created_at),
    KEY import_jobs_state (state, held_until),
    KEY import_jobs_created (created_at)
  ) CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci`);
  await db.raw(`CREATE TABLE IF NOT EXISTS import_pieces (
    job_id BINARY(16) NOT NULL,
    piece INT UNSIGNED NOT NULL COMMENT 'from 0',
    bytes MEDIUMBLOB NOT NULL,
    PRIMARY KEY (job_id, piece)
  ) CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci`);
  await db.raw(`ALTER TABLE reports MODIFY
    unique_id VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'of the link'`);
}
