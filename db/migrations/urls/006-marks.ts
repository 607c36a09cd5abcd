import { randomBytes } from 'node:crypto';
import type { MigrationDb } from '../../mysql/migrate.ts';

/**
 * How a holder notices that this server lacks data that it had. `marks`: each keys-db's holder counts up its
 * `beat`. `server`: one row with a random `incarnation`, so that a server that was set up again is another
 * one, and a copy is the same one.
 */
export async function up(db: MigrationDb): Promise<void> {
  if (!(await db.schema.hasTable('marks'))) {
    await db.schema.createTable('marks', (table) => {
      table.charset('utf8mb4');
      table.collate('utf8mb4_unicode_ci');
      table
        .specificType('keys_db', 'VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin')
        .notNullable()
        .primary();
      table.bigInteger('beat').unsigned().notNullable().comment('counted up by the holder, never down');
      table.bigInteger('claimed_to').unsigned().notNullable().comment('the claim mark of the keys-db then');
    });
  }
  await db.raw(
    `CREATE TABLE IF NOT EXISTS server (
       id TINYINT UNSIGNED NOT NULL PRIMARY KEY,
       incarnation VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'random'
     ) CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci`,
  );
  await db.raw('INSERT IGNORE INTO server (id, incarnation) VALUES (1, ?)', [
    randomBytes(16).toString('hex'),
  ]);
}
