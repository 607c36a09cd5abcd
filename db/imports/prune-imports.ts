import type { Mysql } from '../mysql/mysql.ts';

/** Batches of one statement: a batch has some 50 KB. */
const BATCHES_AT_ONCE = 20;

/**
 * Forgets some batches of an import that nobody has run for a long time, or the import when it has none left.
 * May be repeated at any time. An import that begins meanwhile keeps what is left of it.
 * @param keptDays since it was begun last
 * @returns whether there may be more
 * @throws StoreUnavailableError, OutcomeUnknownError: repeat it later
 */
export async function pruneImports(db: Mysql, keptDays: number): Promise<boolean> {
  const isOld = 'used_at < UTC_TIMESTAMP(3) - INTERVAL ? DAY';
  const [found] = await db.queryArrays<[number, Buffer]>(
    `SELECT slot, import_id FROM imports WHERE ${isOld} ORDER BY used_at LIMIT 1`,
    [keptDays],
  );
  if (found === undefined) return false;
  // The lock keeps the import from being begun between the look and the deletion.
  const [, removed] = await db.transact(
    [
      'SELECT used_at FROM imports WHERE slot = ? AND import_id = ? FOR UPDATE',
      `DELETE FROM import_batches WHERE slot = ? AND import_id = ?
         AND EXISTS (SELECT 1 FROM imports WHERE slot = ? AND import_id = ? AND ${isOld})
       LIMIT ${BATCHES_AT_ONCE}`,
    ],
    [...found, ...found, ...found, keptDays],
  );
  if (removed !== undefined && removed < BATCHES_AT_ONCE)
    await db.execute(
      `DELETE FROM imports WHERE slot = ? AND import_id = ? AND ${isOld} AND NOT EXISTS (
         SELECT 1 FROM import_batches WHERE slot = ? AND import_id = ?)`,
      [...found, keptDays, ...found],
    );
  return true;
}
