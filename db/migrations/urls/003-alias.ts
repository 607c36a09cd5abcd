import type { MigrationDb } from '../../mysql/migrate.ts';

/** Whether the user chose the key or it came from a pool. The audit counts both kinds. */
export async function up(db: MigrationDb): Promise<void> {
  if (await db.schema.hasColumn('urls', 'alias')) return;
  await db.schema.alterTable('urls', (table) => {
    table.specificType('alias', 'TINYINT(1)').notNullable().defaultTo(0).comment('1: the user chose the key');
  });
}
