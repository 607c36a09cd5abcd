import type { MigrationDb } from '../../mysql/migrate.ts';

/**
 * `suspects`: keys that are in no store (`first_seen` is by the database's clock). `losses`: ranges of
 * deliveries that a pool had acknowledged and no longer has. `gaps`: ids without a key.
 */
export async function up(db: MigrationDb): Promise<void> {
  if (!(await db.schema.hasTable('suspects'))) {
    await db.schema.createTable('suspects', (table) => {
      table.charset('utf8mb4');
      table.collate('utf8mb4_unicode_ci');
      table.bigInteger('id').unsigned().notNullable().primary();
      table.datetime('first_seen', { precision: 3 }).notNullable();
      table.index(['first_seen'], 'suspects_first_seen');
    });
  }
  if (!(await db.schema.hasTable('losses'))) {
    await db.schema.createTable('losses', (table) => {
      table.charset('utf8mb4');
      table.collate('utf8mb4_unicode_ci');
      table.specificType('pool', 'VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin').notNullable();
      table.bigInteger('from_seq').unsigned().notNullable();
      table.bigInteger('to_seq').unsigned().notNullable();
      table
        .specificType('pool_incarnation', 'VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin')
        .notNullable();
      table.bigInteger('epoch').unsigned().notNullable();
      table.datetime('recorded_at', { precision: 3 }).notNullable();
      table.primary(['pool', 'from_seq', 'to_seq', 'pool_incarnation']);
    });
  }
  if (!(await db.schema.hasTable('gaps'))) {
    await db.schema.createTable('gaps', (table) => {
      table.charset('utf8mb4');
      table.collate('utf8mb4_unicode_ci');
      table
        .bigInteger('id')
        .unsigned()
        .notNullable()
        .primary()
        .comment('its key spells a reserved or blocked word');
    });
  }
}
