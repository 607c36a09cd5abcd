import type { MigrationDb } from '../../mysql/migrate.ts';

/** Tells a key that its user chose from one that came out of a pool: only so can the audit say how many of each there are. */
export async function up(db: MigrationDb): Promise<void> {
  if (await db.schema.hasColumn('urls', 'alias')) return;
  await db.schema.alterTable('urls', (table) => {
    table.specificType('alias', 'TINYINT(1)').notNullable().defaultTo(0).comment('1: the user chose the key');
  });
}
