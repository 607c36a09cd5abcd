import type { MigrationDb } from '../../mysql/migrate.ts';

/**
 * One row each. `keyspace`: the keys that this database may hold. `ownership`: the reign that may write to it
 * now.
 */
export async function up(db: MigrationDb): Promise<void> {
  if (!(await db.schema.hasTable('keyspace'))) {
    await db.schema.createTable('keyspace', (table) => {
      table.charset('utf8mb4');
      table.collate('utf8mb4_unicode_ci');
      table.specificType('id', 'TINYINT UNSIGNED').notNullable().primary();
      table.string('fingerprint', 64).notNullable();
      table.specificType('key_length', 'TINYINT UNSIGNED').notNullable();
      table.specificType('region_bits', 'TINYINT UNSIGNED').notNullable();
      table.specificType('region', 'INT UNSIGNED').notNullable();
    });
  }
  if (!(await db.schema.hasTable('ownership'))) {
    await db.schema.createTable('ownership', (table) => {
      table.charset('utf8mb4');
      table.collate('utf8mb4_unicode_ci');
      table.specificType('id', 'TINYINT UNSIGNED').notNullable().primary();
      table.bigInteger('epoch').unsigned().notNullable();
      table.bigInteger('czxid').unsigned().notNullable().comment('of the lock whose holder raised the epoch');
      table
        .string('ensemble', 64)
        .nullable()
        .comment('the ZooKeeper the czxid is of; NULL before the first reign');
      table.string('owner', 128).nullable();
      table
        .bigInteger('claimed_to')
        .unsigned()
        .notNullable()
        .defaultTo(0)
        .comment('the claim mark, for people: what decides stands in the newest row of batches');
      table
        .bigInteger('generated_to')
        .unsigned()
        .notNullable()
        .comment('every key up to this id has been inserted');
      table.datetime('raised_at', { precision: 3 }).nullable();
    });
  }
  await db.raw('INSERT IGNORE INTO ownership (id, epoch, czxid, generated_to) VALUES (1, 0, 0, 0)');
}
