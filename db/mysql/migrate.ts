import knex, { type Knex } from 'knex';
import type { Log } from '../../runtime/log.ts';
import { StoreUnavailableError } from '../store-errors.ts';
import { databaseOf, openMysql } from './mysql.ts';
import {
  COMPATIBILITY_TABLE,
  logCompatible,
  migrationNames,
  migrationNumber,
  MIGRATIONS_TABLE,
  readVerdict,
  refuseTooNew,
  type DatabaseKind,
  type SchemaVerdict,
} from './schema-version.ts';

/** The database of a migration. */
export type MigrationDb = Knex;

/**
 * The exports of a migration file. A released migration never changes. It may run again after a crash
 * half-way.
 */
export interface Migration {
  /**
   * The number of the oldest last migration whose program may go on using the schema afterwards. A migration
   * that only adds (expand) repeats the number of the release before; one that takes something away
   * (contract) leaves it out, and then only programs that have this migration may use the schema.
   */
  compatibleFrom?: number;
  up: (db: MigrationDb) => Promise<void>;
}

const LOCK_WAIT_S = 60;

/**
 * Creates the database if it is missing, and runs the migrations that it lacks. Several processes may run it
 * at the same time.
 * @throws SchemaMismatchError when the database is too new for this program; StoreUnavailableError when
 *   another migration holds the lock for 60 s
 */
export async function migrate(url: string, kind: DatabaseKind, log: Log): Promise<void> {
  await createDatabase(url);
  const database = databaseOf(url);
  // knex's own lock row survives a crash and then blocks permanently. A named lock of the server ends with
  // its connection.
  const guard = connect(url);
  try {
    await lock(guard, database);
    const judged = await readDatabase(url, kind);
    refuseTooNew(database, judged);
    if (judged.verdict === 'compatible') return logCompatible(log, database, judged.newer);
    const runner = connect(url);
    try {
      const config = migrationConfig(kind);
      await runner.migrate.forceFreeMigrationsLock(config);
      const [, applied] = (await runner.migrate.latest(config)) as [number, string[]];
      if (applied.length > 0) log.info({ database, kind, applied }, 'schema migrated');
    } finally {
      await runner.destroy();
    }
  } finally {
    await guard.destroy();
  }
}

/**
 * The tables as the server describes them, in order of name: compared with `db/schema/<kind>.sql` by a test.
 */
export async function dumpSchema(url: string): Promise<string> {
  const db = openMysql(url, { name: databaseOf(url), connections: 1 });
  try {
    const tables = await db.queryArrays<[string]>('SHOW TABLES');
    const parts: string[] = [];
    for (const [table] of tables.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      if (table.startsWith(MIGRATIONS_TABLE)) continue;
      const [row] = await db.queryArrays<[string, string]>(`SHOW CREATE TABLE \`${table}\``);
      if (row) parts.push(`${row[1].replace(/ AUTO_INCREMENT=\d+/, '')};\n`);
    }
    return parts.join('\n');
  } finally {
    await db.close();
  }
}

function connect(url: string): Knex {
  return knex({
    client: 'mysql2',
    connection: { uri: url, connectTimeout: 5_000 },
    pool: { min: 0, max: 1 },
    acquireConnectionTimeout: 10_000,
  });
}

function migrationConfig(kind: DatabaseKind): Knex.MigratorConfig {
  return { tableName: MIGRATIONS_TABLE, disableTransactions: true, migrationSource: new NumberedFiles(kind) };
}

class NumberedFiles implements Knex.MigrationSource<string> {
  readonly #kind: DatabaseKind;

  constructor(kind: DatabaseKind) {
    this.#kind = kind;
  }

  async getMigrations(): Promise<string[]> {
    return [...migrationNames(this.#kind)];
  }

  getMigrationName(name: string): string {
    return name;
  }

  async getMigration(name: string): Promise<Knex.Migration> {
    const module = (await import(
      new URL(`../migrations/${this.#kind}/${name}.ts`, import.meta.url).href
    )) as Migration;
    return {
      // First, so that no program starts to use what this migration takes away.
      up: async (db) => {
        await requireFrom(db, module.compatibleFrom ?? migrationNumber(name));
        await module.up(db);
      },
      // There are no down migrations: to roll back a schema that holds links, restore a backup.
      down: async () => undefined,
    };
  }
}

async function readDatabase(url: string, kind: DatabaseKind): Promise<SchemaVerdict> {
  await using db = openMysql(url, { name: databaseOf(url), connections: 1 });
  return await readVerdict(db, kind);
}

async function createDatabase(url: string): Promise<void> {
  const server = new URL(url);
  server.pathname = '/';
  const database = databaseOf(url);
  const db = openMysql(server.href, { name: database, connections: 1 });
  try {
    await db.execute(
      `CREATE DATABASE IF NOT EXISTS \`${database}\` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`,
    );
  } finally {
    await db.close();
  }
}

async function lock(db: Knex, database: string): Promise<void> {
  const [rows] = (await db.raw('SELECT GET_LOCK(?, ?) AS held', [
    `keymill-${database}`.slice(0, 64),
    LOCK_WAIT_S,
  ])) as [{ held: number | null }[]];
  if (rows[0]?.held !== 1)
    throw new StoreUnavailableError(database, `another migration has run for more than ${LOCK_WAIT_S} s`);
}

interface Compatibility {
  id: number;
  compatible_from: number;
}

/**
 * Creates the table that says which programs may use the schema. It is called by one migration of each kind
 * of database; from then on each migration raises the number as it needs.
 */
export async function createCompatibility(db: MigrationDb, compatibleFrom: number): Promise<void> {
  if (!(await db.schema.hasTable(COMPATIBILITY_TABLE))) {
    await db.schema.createTable(COMPATIBILITY_TABLE, (table) => {
      table.charset('utf8mb4');
      table.collate('utf8mb4_unicode_ci');
      table.specificType('id', 'TINYINT UNSIGNED').notNullable().primary();
      table
        .specificType('compatible_from', 'SMALLINT UNSIGNED')
        .notNullable()
        .comment('number of the oldest last migration whose program may use this schema');
    });
  }
  await db<Compatibility>(COMPATIBILITY_TABLE)
    .insert({ id: 1, compatible_from: compatibleFrom })
    .onConflict('id')
    .ignore();
}

/** Never lowers the number. Does nothing before the migration that creates the table. */
async function requireFrom(db: MigrationDb, compatibleFrom: number): Promise<void> {
  if (!(await db.schema.hasTable(COMPATIBILITY_TABLE))) return;
  await db<Compatibility>(COMPATIBILITY_TABLE)
    .where({ id: 1 })
    .andWhere('compatible_from', '<', compatibleFrom)
    .update({ compatible_from: compatibleFrom });
}
