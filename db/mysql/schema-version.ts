import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { MismatchError } from '../store-errors.ts';
import type { Mysql } from './mysql.ts';

/** The three kinds of database. Each has its own numbered migrations in `db/migrations/<kind>`. */
export type DatabaseKind = 'keys-db' | 'urls' | 'users';

/** The table of applied migrations, in every database. */
export const MIGRATIONS_TABLE = 'schema_migrations';

/** The names of this program's migrations, in order: the files `NNN-*.ts` without their extension. */
export async function migrationNames(kind: DatabaseKind): Promise<string[]> {
  const files = await readdir(fileURLToPath(new URL(`../migrations/${kind}`, import.meta.url)));
  return files
    .filter((file) => /^\d{3}-.*\.ts$/.test(file))
    .map((file) => file.slice(0, -'.ts'.length))
    .sort();
}

/**
 * Refuses a database whose schema is not exactly this program's.
 * @throws MismatchError when it is newer, older or missing
 */
export async function checkSchema(db: Mysql, kind: DatabaseKind): Promise<void> {
  const rows = await db.query<{ name: string }>(`SELECT name FROM ${MIGRATIONS_TABLE} ORDER BY id`);
  const recorded = rows.map((row) => row.name);
  const known = await migrationNames(kind);
  refuseNewer(db.name, recorded, known);
  const missing = known.filter((name) => !recorded.includes(name));
  if (missing.length > 0) {
    throw new MismatchError(
      db.name,
      `schema is older than this program (missing ${missing.join(', ')}): migrate it`,
    );
  }
}

/** @throws MismatchError when a recorded migration is not one of this program's */
export function refuseNewer(store: string, recorded: readonly string[], known: readonly string[]): void {
  const newer = recorded.filter((name) => !known.includes(name));
  if (newer.length === 0) return;
  throw new MismatchError(
    store,
    `schema is newer than this program (it has ${newer.join(', ')}): use the newer program`,
  );
}
