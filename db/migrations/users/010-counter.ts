import type { MigrationDb } from '../../mysql/migrate.ts';

/** It only adds, so release 0.1.0 may go on. */
export const compatibleFrom = 2;

/** How far the counter of keys has been given out. There is one row, and its mark only rises. */
export async function up(db: MigrationDb): Promise<void> {
  await db.raw(
    `CREATE TABLE IF NOT EXISTS counter_marks (
       id TINYINT UNSIGNED NOT NULL PRIMARY KEY COMMENT 'always 1',
       reserved_to BIGINT UNSIGNED NOT NULL COMMENT 'every id up to it belongs to some mapper, or is lost'
     )`,
  );
  await db.raw('INSERT IGNORE INTO counter_marks (id, reserved_to) VALUES (1, 0)');
}
