import type { MigrationDb } from '../../mysql/migrate.ts';

/**
 * The clicks of links, in tables of their own, so that clicks and binds never wait for each other. A process
 * of a mapper numbers its flushes. The row in `click_flushes` holds the last number, so that no flush counts
 * twice.
 */
export async function up(db: MigrationDb): Promise<void> {
  if (!(await db.schema.hasTable('clicks'))) {
    await db.schema.createTable('clicks', (table) => {
      table.charset('utf8mb4');
      table.collate('utf8mb4_unicode_ci');
      table.specificType('slot', 'TINYINT UNSIGNED').notNullable().comment('as in urls');
      table.specificType('unique_id', 'VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin').notNullable();
      table.date('day').notNullable().comment('UTC');
      table.bigInteger('clicks').unsigned().notNullable();
      table.primary(['slot', 'unique_id', 'day']);
    });
  }
  if (await db.schema.hasTable('click_flushes')) return;
  await db.schema.createTable('click_flushes', (table) => {
    table.charset('utf8mb4');
    table.collate('utf8mb4_unicode_ci');
    table
      .specificType('source', 'VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin')
      .notNullable()
      .primary()
      .comment('one process of a mapper, from its start to its end');
    // NOT NULL refuses a flush that is not newer than the last one: see db/clicks/flush-statements.ts.
    table.bigInteger('seq').unsigned().notNullable().comment('of its last flush');
    table.datetime('flushed_at', { precision: 3 }).notNullable();
  });
}
