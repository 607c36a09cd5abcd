import type { MigrationDb } from '../../mysql/migrate.ts';

/**
 * The links of all slots that this database owns. A slot is one contiguous range of the primary key, so that
 * it can be moved. A tombstone is a row with `deleted_at` and without `original_url`: a bound key is never
 * free again.
 */
export async function up(db: MigrationDb): Promise<void> {
  if (await db.schema.hasTable('urls')) return;
  await db.schema.createTable('urls', (table) => {
    table.charset('utf8mb4');
    table.collate('utf8mb4_unicode_ci');
    table.specificType('slot', 'TINYINT UNSIGNED').notNullable().comment('crc32(unique_id) % 32');
    table.specificType('unique_id', 'VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin').notNullable();
    table.bigInteger('user_id').unsigned().nullable();
    // A WHATWG href is ASCII. Percent-encoding can turn 2,048 typed characters into more than 18,000.
    table.specificType('original_url', 'TEXT CHARACTER SET ascii COLLATE ascii_bin').nullable();
    table.datetime('created_at', { precision: 3 }).notNullable();
    table.datetime('expires_at', { precision: 3 }).nullable();
    table.specificType('request_id', 'BINARY(16)').notNullable().comment('of the request that made the link');
    table.datetime('deleted_at', { precision: 3 }).nullable();
    table.primary(['slot', 'unique_id']);
  });
}
