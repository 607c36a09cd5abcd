import type { MigrationDb } from '../../mysql/migrate.ts';

/** It only adds, so release 0.1.0 may go on. */
export const compatibleFrom = 7;

/**
 * What is remembered of an import is forgotten some time after its last use. Imports from before count as
 * used now. Their batches end by the number of their records only: other batches of the same file would make
 * links again.
 */
export async function up(db: MigrationDb): Promise<void> {
  if (await db.schema.hasColumn('imports', 'used_at')) return;
  // Those who import wait behind it.
  await db.raw('SET SESSION lock_wait_timeout = 2');
  await db.raw(`ALTER TABLE imports
    ADD COLUMN used_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) COMMENT 'when it began last',
    ADD COLUMN batch_characters INT UNSIGNED NULL COMMENT 'of records: then a batch ends; NULL: without such an end',
    ADD KEY imports_used (used_at)`);
}
