import type { Mysql } from '../mysql/mysql.ts';
import { DIMENSIONS, MONTH_ITSELF } from './dimensions.ts';
import { PIECE_TIMEOUT_MS, type RollUpOptions } from './roll-up.ts';
import { toSqlDay } from './sql-times.ts';
import { isOneOf, LINK, OWNER, type SubjectKind } from './subject.ts';

/** Rows of one piece: some milliseconds of work for the server. */
const ROWS_AT_ONCE = 1_000;
const DIMENSION_NUMBERS = Object.values(DIMENSIONS).join(',');

/**
 * The tables of a kind of subject, and which of its rows are of before a day. Those by which owners are found
 * go last: see `listOwners`.
 */
const TABLES: readonly (readonly [table: string, isBefore: (day: number) => string])[] = [
  ['values', (day) => `dimension IN (${DIMENSION_NUMBERS}) AND day < ${toSqlDay(day)}`],
  ['visitors', (day) => `day < ${toSqlDay(day)}`],
  ['visitor_days', (day) => `day < ${toSqlDay(day)}`],
  // A month goes with its first day. The days that are left are read then.
  ['months', (day) => `dimension IN (${MONTH_ITSELF},${DIMENSION_NUMBERS}) AND month < ${toSqlDay(day)}`],
  ['days', (day) => `day < ${toSqlDay(day)}`],
  ['hours', (day) => `hour < ${toSqlDay(day)}`],
];

/**
 * Deletes some rows of what was counted before a day, except totals. May be repeated at any time.
 * @param before full days since 1970 in UTC
 * @returns whether there may be more
 * @throws StoreUnavailableError, OutcomeUnknownError: repeat it later
 */
export async function forgetOldClicks({
  db,
  kind,
  ids,
  before,
}: Omit<RollUpOptions, 'today'> & { readonly before: number }): Promise<boolean> {
  return deleteSome(
    db,
    TABLES.map(
      ([table, isBefore]) => `${kind.prefix}_${table} WHERE ${isOneOf(kind, ids)} AND ${isBefore(before)}`,
    ),
  );
}

/** Deletes some rows of what was counted for these subjects. @returns, @throws as above */
async function forgetSubjects(db: Mysql, kind: SubjectKind, ids: readonly string[]): Promise<boolean> {
  if (ids.length === 0) return false;
  const all = TABLES.map(([table]) => `${kind.prefix}_${table}`);
  // The totals go last: by them the other rows are found.
  if (kind === LINK) all.push('clicks', 'click_totals');
  return deleteSome(
    db,
    all.map((table) => `${table} WHERE ${isOneOf(kind, ids)}${kind === OWNER ? isFormer(table) : ''}`),
  );
}

/** An owner may make a link, and have clicks, after we have seen that he has none. */
function isFormer(table: string): string {
  return ` AND NOT EXISTS (SELECT 1 FROM owned WHERE owned.user_id = ${table}.user_id)`;
}

/**
 * Deletes some clicks of links that were deleted, and whose time to be restored is over.
 * @returns, @throws as above
 */
export async function forgetClearedLinks(db: Mysql, ids: readonly string[]): Promise<boolean> {
  const cleared = await db.queryArrays<[string]>(
    `SELECT unique_id FROM urls WHERE ${isOneOf(LINK, ids)} AND deleted_at IS NOT NULL
     AND original_url IS NULL AND ruled_url IS NULL`,
    [],
    { timeoutMs: PIECE_TIMEOUT_MS },
  );
  return forgetSubjects(
    db,
    LINK,
    cleared.map(([key]) => LINK.toId(key)),
  );
}

/**
 * Deletes some of what was counted for owners who have no link here any more: their accounts have ended, or
 * their last link was deleted and cannot be restored. @returns, @throws as above
 */
export async function forgetFormerOwners(db: Mysql, ids: readonly string[]): Promise<boolean> {
  const having = await db.queryArrays<[string]>(
    // One row of each: an owner may have many links.
    ids
      .map((id) => `(SELECT CAST(user_id AS CHAR) FROM owned WHERE user_id = ${id} LIMIT 1)`)
      .join(' UNION ALL '),
    [],
    { timeoutMs: PIECE_TIMEOUT_MS },
  );
  const has = new Set(having.map(([userId]) => OWNER.toId(userId)));
  return forgetSubjects(
    db,
    OWNER,
    ids.filter((id) => !has.has(id)),
  );
}

/** Deletes up to {@link ROWS_AT_ONCE} rows of all tables together. @returns whether there may be more */
async function deleteSome(db: Mysql, tables: readonly string[]): Promise<boolean> {
  let left = ROWS_AT_ONCE;
  for (const rows of tables) {
    const { affectedRows } = await db.execute(`DELETE FROM ${rows} LIMIT ${left}`, [], {
      timeoutMs: PIECE_TIMEOUT_MS,
    });
    left -= affectedRows;
    if (left <= 0) return true;
  }
  return false;
}
