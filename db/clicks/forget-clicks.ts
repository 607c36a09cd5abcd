import type { Mysql } from '../mysql/mysql.ts';
import { DIMENSIONS, MONTH_ITSELF } from './dimensions.ts';
import { PIECE_TIMEOUT_MS, type RollUpOptions } from './roll-up.ts';
import { monthOf, toSqlDay } from './sql-times.ts';
import { isOneOf, LINK, OWNER, type SubjectKind } from './subject.ts';

/** Rows of one DELETE: some milliseconds of work for the server. */
const ROWS_AT_ONCE = 1_000;
const DIMENSION_NUMBERS = Object.values(DIMENSIONS).join(',');

/** The tables of a kind of subject, and which of its rows are of before a day. */
const TABLES: readonly (readonly [table: string, isBefore: (day: number) => string])[] = [
  ['hours', (day) => `hour < ${toSqlDay(day)}`],
  ['days', (day) => `day < ${toSqlDay(day)}`],
  ['values', (day) => `dimension IN (${DIMENSION_NUMBERS}) AND day < ${toSqlDay(day)}`],
  ['visitors', (day) => `day < ${toSqlDay(day)}`],
  ['visitor_days', (day) => `day < ${toSqlDay(day)}`],
  // A month goes when all of its days have gone.
  [
    'months',
    (day) => `dimension IN (${MONTH_ITSELF},${DIMENSION_NUMBERS}) AND month < ${toSqlDay(monthOf(day))}`,
  ],
];

/**
 * Deletes what was counted before a day, except totals. May be repeated at any time.
 * @param before full days since 1970 in UTC
 * @throws StoreUnavailableError, OutcomeUnknownError: repeat it later
 */
export async function forgetOldClicks({
  db,
  kind,
  ids,
  before,
}: Omit<RollUpOptions, 'today'> & { readonly before: number }): Promise<void> {
  for (const [table, isBefore] of TABLES)
    await deleteAll(db, `${kind.prefix}_${table} WHERE ${isOneOf(kind, ids)} AND ${isBefore(before)}`);
}

/** Deletes all that was counted for these subjects. May be repeated at any time. @throws as above */
async function forgetSubjects(db: Mysql, kind: SubjectKind, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  const all = TABLES.map(([table]) => `${kind.prefix}_${table}`);
  // The totals go last: by them the other rows are found.
  if (kind === LINK) all.push('clicks', 'click_totals');
  for (const table of all) await deleteAll(db, `${table} WHERE ${isOneOf(kind, ids)}`);
}

/** Deletes all clicks of links that were deleted, and whose time to be restored is over. @throws as above */
export async function forgetClearedLinks(db: Mysql, ids: readonly string[]): Promise<void> {
  const cleared = await db.queryArrays<[string]>(
    `SELECT unique_id FROM urls WHERE ${isOneOf(LINK, ids)} AND deleted_at IS NOT NULL
     AND original_url IS NULL AND ruled_url IS NULL`,
    [],
    { timeoutMs: PIECE_TIMEOUT_MS },
  );
  await forgetSubjects(
    db,
    LINK,
    cleared.map(([key]) => LINK.toId(key)),
  );
}

/**
 * Deletes what was counted for owners who have no link here any more: their accounts have ended, or their
 * last link was deleted and cannot be restored. @throws as above
 */
export async function forgetFormerOwners(db: Mysql, ids: readonly string[]): Promise<void> {
  const having = await db.queryArrays<[string]>(
    // One row of each: an owner may have many links.
    ids
      .map((id) => `(SELECT CAST(user_id AS CHAR) FROM owned WHERE user_id = ${id} LIMIT 1)`)
      .join(' UNION ALL '),
    [],
    { timeoutMs: PIECE_TIMEOUT_MS },
  );
  const has = new Set(having.map(([userId]) => OWNER.toId(userId)));
  await forgetSubjects(
    db,
    OWNER,
    ids.filter((id) => !has.has(id)),
  );
}

async function deleteAll(db: Mysql, rows: string): Promise<void> {
  for (let deleted = ROWS_AT_ONCE; deleted === ROWS_AT_ONCE;) {
    const sql = `DELETE FROM ${rows} LIMIT ${ROWS_AT_ONCE}`;
    ({ affectedRows: deleted } = await db.execute(sql, [], { timeoutMs: PIECE_TIMEOUT_MS }));
  }
}
