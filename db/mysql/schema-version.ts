import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Log } from '../../runtime/log.ts';
import { SchemaMismatchError } from '../store-errors.ts';
import type { Mysql } from './mysql.ts';

/** The three kinds of database. Each has its own numbered migrations in `db/migrations/<kind>`. */
export type DatabaseKind = 'keys-db' | 'urls' | 'users';

/** The table of applied migrations, in every database. */
export const MIGRATIONS_TABLE = 'schema_migrations';

/**
 * The table of one row that says which programs may use a schema, in every database. A program is known by
 * the number of its last migration of that kind.
 */
export const COMPATIBILITY_TABLE = 'schema_compatibility';

/** They are listed once: the files may be replaced by those of the next release while this one runs. */
const MIGRATIONS: Readonly<Record<DatabaseKind, readonly string[]>> = {
  'keys-db': listMigrations('keys-db'),
  urls: listMigrations('urls'),
  users: listMigrations('users'),
};

/** The names of this program's migrations, in order: the files `NNN-*.ts` without their extension. */
export function migrationNames(kind: DatabaseKind): readonly string[] {
  return MIGRATIONS[kind];
}

function listMigrations(kind: DatabaseKind): string[] {
  return readdirSync(fileURLToPath(new URL(`../migrations/${kind}`, import.meta.url)))
    .filter((file) => /^\d{3}-.*\.ts$/.test(file))
    .map((file) => file.slice(0, -'.ts'.length))
    .sort();
}

/** The number of a migration: 7 for `007-compatibility`. */
export function migrationNumber(name: string): number {
  return Number.parseInt(name, 10);
}

/** How a schema relates to a program. */
export type SchemaVerdict =
  | { readonly verdict: 'same' }
  /** Newer, and this program may use it: a release may run beside the next one. */
  | { readonly verdict: 'compatible'; readonly newer: readonly string[] }
  | { readonly verdict: 'older'; readonly missing: readonly string[] }
  | { readonly verdict: 'too new'; readonly newer: readonly string[] };

/**
 * Compares the migrations that a database records with those of a program.
 * @param compatibleFrom the lowest last migration of a program that may use the schema. Undefined when the
 *   database does not say it: then only the program of exactly this schema may
 */
export function judgeSchema(
  recorded: readonly string[],
  known: readonly string[],
  compatibleFrom: number | undefined,
): SchemaVerdict {
  const missing = known.filter((name) => !recorded.includes(name));
  const newer = recorded.filter((name) => !known.includes(name));
  if (newer.length === 0) return missing.length === 0 ? { verdict: 'same' } : { verdict: 'older', missing };
  const isCompatible =
    missing.length === 0 &&
    compatibleFrom !== undefined &&
    migrationNumber(known.at(-1) ?? '') >= compatibleFrom;
  return { verdict: isCompatible ? 'compatible' : 'too new', newer };
}

/** How the schema of a database, which may still be empty, relates to this program. */
export async function readVerdict(db: Mysql, kind: DatabaseKind): Promise<SchemaVerdict> {
  const tables = (await db.queryArrays<[string]>('SHOW TABLES')).map(([name]) => name);
  const applied = tables.includes(MIGRATIONS_TABLE)
    ? await db.query<{ name: string }>(`SELECT name FROM ${MIGRATIONS_TABLE} ORDER BY id`)
    : [];
  const [row] = tables.includes(COMPATIBILITY_TABLE)
    ? await db.query<{ number: number }>(
        `SELECT compatible_from AS number FROM ${COMPATIBILITY_TABLE} WHERE id = 1`,
      )
    : [];
  return judgeSchema(
    applied.map(({ name }) => name),
    migrationNames(kind),
    row?.number,
  );
}

/**
 * Refuses a database whose schema this program must not use.
 * @returns the migrations that this program does not know, although it may use the schema; mostly none
 * @throws SchemaMismatchError when the schema is too new, older or missing
 */
export async function checkSchema(db: Mysql, kind: DatabaseKind): Promise<readonly string[]> {
  const judged = await readVerdict(db, kind);
  if (judged.verdict === 'older') {
    throw new SchemaMismatchError(
      db.name,
      `schema is older than this program (missing ${judged.missing.join(', ')}): run "keymill prepare"`,
    );
  }
  refuseTooNew(db.name, judged);
  return judged.verdict === 'compatible' ? judged.newer : [];
}

/** @throws SchemaMismatchError when this program must not use the schema, because it is too new */
export function refuseTooNew(store: string, judged: SchemaVerdict): void {
  if (judged.verdict !== 'too new') return;
  throw new SchemaMismatchError(
    store,
    `schema is newer than this program (it has ${judged.newer.join(', ')}): use the newer program`,
  );
}

/** Says that a newer schema is used; nothing if there is nothing newer. */
export function logCompatible(log: Log, store: string, newer: readonly string[]): void {
  if (newer.length > 0) log.warn({ store, newer }, 'schema is newer than this program, which may use it');
}
