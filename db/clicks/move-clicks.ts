import { toSqlText } from '../mysql/driver.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { DIMENSIONS, MONTH_ITSELF } from './dimensions.ts';
import { PIECE_TIMEOUT_MS } from './roll-up.ts';

/** Rows in one transaction: some 10 ms of work for the server. */
const ROWS_AT_ONCE = 200;

/**
 * Moves clicks that processes of earlier releases have counted to the tables of today, all as humans. One
 * transaction, which begins by locking the rows: so they are moved once, by whomever.
 * @returns whether there may be more
 * @throws StoreUnavailableError, OutcomeUnknownError: repeat it later
 */
export async function moveOldClicks(db: Mysql): Promise<boolean> {
  const found = await db.queryArrays<[number, string, string]>(
    `SELECT slot, unique_id, DATE_FORMAT(day, '%Y-%m-%d') FROM clicks LIMIT ${ROWS_AT_ONCE}`,
  );
  if (found.length === 0) return false;
  const places = found.map(([slot, key, date]) => `(${slot},${toSqlText(key)},'${date}')`).join(',');
  const isFound = `(c.slot, c.unique_id, c.day) IN (${places})`;
  const owned =
    'clicks c JOIN urls u ON u.slot = c.slot AND u.unique_id = c.unique_id AND u.user_id IS NOT NULL';
  const more = (table: string): string =>
    `ON DUPLICATE KEY UPDATE ${table}.humans = ${table}.humans + VALUES(humans)`;
  const isReopened = (alias: string): string =>
    `${alias}.dimension = ${MONTH_ITSELF} AND ${alias}.month = DATE_FORMAT(c.day, '%Y-%m-01')`;
  await db.transact(
    [
      `SELECT 1 FROM clicks c WHERE ${isFound} ORDER BY c.slot, c.unique_id, c.day FOR UPDATE`,
      `INSERT INTO click_totals (slot, unique_id, humans, bots)
       SELECT c.slot, c.unique_id, SUM(c.clicks), 0 FROM clicks c WHERE ${isFound} GROUP BY c.slot, c.unique_id
       ${more('click_totals')}`,
      `INSERT INTO click_days (slot, unique_id, day, humans, bots)
       SELECT c.slot, c.unique_id, c.day, c.clicks, 0 FROM clicks c WHERE ${isFound} ${more('click_days')}`,
      `DELETE m FROM clicks c JOIN click_months m ON m.slot = c.slot AND m.unique_id = c.unique_id
         AND ${isReopened('m')} WHERE ${isFound}`,
      `INSERT INTO owner_days (user_id, day, humans, bots)
       SELECT u.user_id, c.day, SUM(c.clicks), 0 FROM ${owned} WHERE ${isFound} GROUP BY u.user_id, c.day
       ${more('owner_days')}`,
      `INSERT INTO owner_values (user_id, dimension, day, value, humans, bots)
       SELECT u.user_id, ${DIMENSIONS.link}, c.day, c.unique_id, c.clicks, 0 FROM ${owned} WHERE ${isFound}
       ${more('owner_values')}`,
      `DELETE m FROM ${owned} JOIN owner_months m ON m.user_id = u.user_id AND ${isReopened('m')}
       WHERE ${isFound}`,
      `DELETE c FROM clicks c WHERE ${isFound}`,
    ],
    [],
    { timeoutMs: PIECE_TIMEOUT_MS },
  );
  return found.length === ROWS_AT_ONCE;
}
