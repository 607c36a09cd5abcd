import type { MigrationDb } from '../../mysql/migrate.ts';

/**
 * Ranges of ids whose every key is bound, which is permanent: the holder's search for missing keys skips
 * them.
 */
export async function up(db: MigrationDb): Promise<void> {
  if (await db.schema.hasTable('settled_ranges')) return;
  await db.schema.createTable('settled_ranges', (table) => {
    table.charset('utf8mb4');
    table.collate('utf8mb4_unicode_ci');
    table
      .bigInteger('range_number')
      .unsigned()
      .notNullable()
      .primary()
      .comment('ids of 10,000 × n + 1 to 10,000 × (n + 1)');
  });
}
