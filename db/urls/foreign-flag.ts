import type { Mysql } from '../mysql/mysql.ts';

/**
 * Records that this urls server gets links with codes of other shorteners (`keyspace/foreign-code`). Call it
 * before the first such link is stored: mappers look for it within a second. It may be repeated.
 * @throws OutcomeUnknownError, StoreUnavailableError
 */
export async function recordForeignCodes(db: Mysql): Promise<void> {
  await db.execute('INSERT IGNORE INTO foreign_codes (id, since) VALUES (1, NOW(3))', []);
}

/** Whether that was ever recorded. @throws StoreUnavailableError */
export async function hasForeignCodes(db: Mysql, timeoutMs: number): Promise<boolean> {
  const rows = await db.query('SELECT id FROM foreign_codes LIMIT 1', [], { timeoutMs });
  return rows.length > 0;
}
