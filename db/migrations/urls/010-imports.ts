import type { MigrationDb } from '../../mysql/migrate.ts';

/** It only adds, so release 0.1.0 may go on. */
export const compatibleFrom = 7;

/**
 * What an import brings, and what it must remember.
 *
 * `click_totals` has the visits that a link had where it comes from. They are added to those that are counted
 * here. `import_batches` fixes the keys of links that had no code before they are bound, so that a repeated
 * import binds the same ones, and says what became of a batch that is done. All rows of one import are in one
 * slot, so on one server.
 */
export async function up(db: MigrationDb): Promise<void> {
  await createTable(
    db,
    'click_totals',
    `slot TINYINT UNSIGNED NOT NULL COMMENT 'as in urls',
     unique_id ${KEY} NOT NULL,
     humans BIGINT UNSIGNED NOT NULL,
     bots BIGINT UNSIGNED NOT NULL,
     PRIMARY KEY (slot, unique_id)`,
  );
  await createTable(
    db,
    'imports',
    `slot TINYINT UNSIGNED NOT NULL COMMENT 'crc32(hex(import_id), in small letters) % 32',
     import_id BINARY(16) NOT NULL COMMENT 'hash of the file, its options and the owner',
     begun_at DATETIME(3) NOT NULL COMMENT 'stands for now, also when the import is repeated',
     PRIMARY KEY (slot, import_id)`,
  );
  await createTable(
    db,
    'import_batches',
    `slot TINYINT UNSIGNED NOT NULL COMMENT 'as in imports',
     import_id BINARY(16) NOT NULL,
     batch INT UNSIGNED NOT NULL COMMENT 'some successive records of the file, from 0',
     unique_ids MEDIUMTEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'JSON: the key of each link without a code, by row and part',
     outcome MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL COMMENT 'JSON; NULL: not done',
     PRIMARY KEY (slot, import_id, batch)`,
  );
}

const KEY = 'VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin';

async function createTable(db: MigrationDb, name: string, columns: string): Promise<void> {
  await db.raw(`CREATE TABLE IF NOT EXISTS ${name} (${columns}) CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci`);
}
