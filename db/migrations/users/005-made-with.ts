import type { MigrationDb } from '../../mysql/migrate.ts';

/** It only adds, so release 0.1.0 may go on. */
export const compatibleFrom = 2;

/**
 * The keys with which a key was made: it is revoked with each of them. A user has at most 100 keys at a time,
 * so they are at most 99.
 */
export async function up(db: MigrationDb): Promise<void> {
  if (await db.schema.hasColumn('api_keys', 'made_with')) return;
  await db.raw(`ALTER TABLE api_keys ADD COLUMN
    made_with VARCHAR(900) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT ''
      COMMENT 'ids of keys, separated by blanks: the first was made with a session, the last made this one'`);
}
