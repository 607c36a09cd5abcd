import type { MigrationDb } from '../../mysql/migrate.ts';

/**
 * The slots that this database owns. Without this record the primary key of `urls` would not prevent one key
 * on two servers. There is a row for every slot, owned or not, so that of two mappers that record different
 * maps at the same time only one succeeds.
 */
export async function up(db: MigrationDb): Promise<void> {
  if (await db.schema.hasTable('slots')) return;
  await db.schema.createTable('slots', (table) => {
    table.charset('utf8mb4');
    table.collate('utf8mb4_unicode_ci');
    table.specificType('slot', 'TINYINT UNSIGNED').notNullable().primary();
    table.specificType('owned', 'TINYINT(1)').notNullable();
    table.specificType('slot_count', 'SMALLINT UNSIGNED').notNullable().comment('the modulus: 32 everywhere');
    table.specificType('version', 'INT UNSIGNED').notNullable().comment('rises with every move of the slot');
  });
}
