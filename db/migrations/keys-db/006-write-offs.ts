import type { MigrationDb } from '../../mysql/migrate.ts';

/**
 * What the holder needs to recycle no key that may have been published. `kept_marks`: the last state of each
 * urls server. `write_offs`: no missing key up to `claimed_to`, whose slot is in `slots`, is recycled.
 * `ownership.write_offs` counts these rows, so that a claim can be refused when there is another one.
 * `seen_bound`: one bit for each key that a search saw bound.
 */
export async function up(db: MigrationDb): Promise<void> {
  if (!(await db.schema.hasTable('kept_marks'))) {
    await db.schema.createTable('kept_marks', (table) => {
      table.charset('utf8mb4');
      table.collate('utf8mb4_unicode_ci');
      table.specificType('urls_db', ASCII_NAME).notNullable().primary();
      table.bigInteger('beat').unsigned().notNullable();
      table.string('host', 255).notNullable();
      table.specificType('port', 'INT UNSIGNED').notNullable();
      table.bigInteger('server_id').unsigned().notNullable();
      table.bigInteger('started_s').unsigned().notNullable().comment('Unix time, to 2 s');
      table.specificType('server_incarnation', ASCII_NAME).notNullable();
      table.datetime('kept_at', { precision: 3 }).notNullable();
    });
  }
  if (!(await db.schema.hasTable('write_offs'))) {
    await db.schema.createTable('write_offs', (table) => {
      table.charset('utf8mb4');
      table.collate('utf8mb4_unicode_ci');
      table.specificType('id', ASCII_NAME).notNullable().primary().comment('random');
      table.specificType('urls_db', ASCII_NAME).notNullable();
      table.specificType('slots', 'INT UNSIGNED').notNullable().comment('bit i: slot i');
      table.bigInteger('claimed_to').unsigned().notNullable().comment('the claim mark then');
      table
        .specificType(
          'kind',
          "ENUM('restarted','gone-back','restored') CHARACTER SET ascii COLLATE ascii_bin",
        )
        .notNullable()
        .comment('restored: said by an operator');
      table.string('reason', 255).notNullable();
      table.datetime('good_at', { precision: 3 }).nullable().comment('when its mark was last kept');
      table.datetime('recorded_at', { precision: 3 }).notNullable();
    });
  }
  if (!(await db.schema.hasTable('seen_bound'))) {
    await db.schema.createTable('seen_bound', (table) => {
      table.charset('utf8mb4');
      table.collate('utf8mb4_unicode_ci');
      table.bigInteger('range_number').unsigned().notNullable().primary().comment('as in settled_ranges');
      table.specificType('bits', 'VARBINARY(1250)').notNullable().comment('bit i: id 10,000 × n + 1 + i');
    });
  }
  if (await db.schema.hasColumn('ownership', 'write_offs')) return;
  await db.schema.alterTable('ownership', (table) => {
    table
      .specificType('write_offs', 'INT UNSIGNED')
      .notNullable()
      .defaultTo(0)
      .comment('rises with every row of write_offs');
  });
}

const ASCII_NAME = 'VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin';
