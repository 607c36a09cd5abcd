import type { MigrationDb } from '../../mysql/migrate.ts';

/**
 * The log of claims. `id` counts without gaps. A claim inserts the id after the newest one that it has read,
 * so a claim that did not read the newest state fails on the primary key. Every row holds the state after it:
 * the claim mark (`claimed_to`) and the highest sequence number ever assigned to each pool (`seqs`).
 */
export async function up(db: MigrationDb): Promise<void> {
  if (await db.schema.hasTable('batches')) return;
  await db.schema.createTable('batches', (table) => {
    table.charset('utf8mb4');
    table.collate('utf8mb4_unicode_ci');
    table.bigInteger('id').unsigned().notNullable().primary();
    table
      .specificType('kind', "ENUM('range','recycled') CHARACTER SET ascii COLLATE ascii_bin")
      .notNullable();
    table.bigInteger('first_id').unsigned().nullable().comment('NULL for kind recycled');
    table.bigInteger('last_id').unsigned().nullable();
    table
      .specificType('ids', 'MEDIUMTEXT CHARACTER SET ascii COLLATE ascii_bin')
      .nullable()
      .comment('JSON list, kind recycled');
    table.specificType('size', 'INT UNSIGNED').notNullable().comment('ids in the range or list');
    table.bigInteger('epoch').unsigned().notNullable();
    table.text('parts').notNullable().comment('JSON list of {pool, seq}');
    table.bigInteger('delivered').unsigned().notNullable().defaultTo(0).comment('bit i: part i is delivered');
    table.bigInteger('claimed_to').unsigned().notNullable().comment('the claim mark after this batch');
    table.text('seqs').notNullable().comment('JSON object pool -> highest seq assigned so far');
    table.datetime('claimed_at', { precision: 3 }).notNullable();
    table.datetime('completed_at', { precision: 3 }).nullable();
    table.unique(['first_id'], { indexName: 'batches_first_id' });
    table.index(['completed_at'], 'batches_completed_at');
  });
}
