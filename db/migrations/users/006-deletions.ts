import type { MigrationDb } from '../../mysql/migrate.ts';

/** It only adds, so release 0.1.0 may go on. */
export const compatibleFrom = 2;

/** Every mapper asks twice a minute for the accounts that are being deleted. There are few of them. */
export async function up(db: MigrationDb): Promise<void> {
  const [found] = await db.raw("SHOW INDEX FROM users WHERE Key_name = 'users_deletion'");
  if (Array.isArray(found) && found.length > 0) return;
  await db.raw('ALTER TABLE users ADD INDEX users_deletion (deletion_asked_at)');
}
