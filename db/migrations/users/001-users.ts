import type { MigrationDb } from '../../mysql/migrate.ts';

/** Accounts. A link without one has `user_id` NULL. */
export async function up(db: MigrationDb): Promise<void> {
  if (await db.schema.hasTable('users')) return;
  await db.schema.createTable('users', (table) => {
    table.charset('utf8mb4');
    table.collate('utf8mb4_unicode_ci');
    table.bigIncrements('user_id');
    table.string('first_name', 100).nullable();
    table.string('middle_name', 100).nullable();
    table.string('last_name', 100).nullable();
    table.string('email', 254).notNullable();
    table.string('password', 255).notNullable().comment('a hash, never the password');
    table.datetime('created_at', { precision: 3 }).notNullable().defaultTo(db.fn.now(3));
    table.datetime('updated_at', { precision: 3 }).notNullable().defaultTo(db.fn.now(3));
    table.unique(['email'], { indexName: 'users_email' });
  });
}
