import type { MigrationDb } from '../../mysql/migrate.ts';

/**
 * The pre-generated keys. `id` is the counter within the shard's region and decides the order of claims. Ids
 * have gaps. There is no index on status, because claims are by id. A key counts as unused until its whole
 * batch has been delivered.
 */
export async function up(db: MigrationDb): Promise<void> {
  if (await db.schema.hasTable('keys')) return;
  await db.schema.createTable('keys', (table) => {
    table.charset('utf8mb4');
    table.collate('utf8mb4_unicode_ci');
    table.bigInteger('id').unsigned().notNullable().primary();
    table.specificType('unique_id', 'VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin').notNullable();
    table
      .specificType('status', "ENUM('unused','used') CHARACTER SET ascii COLLATE ascii_bin")
      .notNullable()
      .defaultTo('unused');
    table.unique(['unique_id'], { indexName: 'keys_unique_id' });
  });
}
