import type { MigrationDb } from '../../mysql/migrate.ts';

/**
 * One row: the keyspace whose keys this database binds. Without it, a mapper with another key length or
 * secret, or one of another cluster, would bind its keys here.
 */
export async function up(db: MigrationDb): Promise<void> {
  if (await db.schema.hasTable('keyspace')) return;
  await db.schema.createTable('keyspace', (table) => {
    table.charset('utf8mb4');
    table.collate('utf8mb4_unicode_ci');
    table.specificType('id', 'TINYINT UNSIGNED').notNullable().primary();
    table.string('fingerprint', 64).notNullable();
    table.specificType('key_length', 'TINYINT UNSIGNED').notNullable();
    table.specificType('region_bits', 'TINYINT UNSIGNED').notNullable();
  });
}
