import type { SqlValue } from '../mysql/driver.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { conditionOf, type LinkChoice } from './link-conditions.ts';
import type { OwnLink } from './own-link.ts';
import { LINK_COLUMNS, toOwnLink, type LinkColumns } from './read-links.ts';

/** Which links of all owners, and of nobody, are looked for. */
export interface ScanQuestion extends LinkChoice {
  /** The only key, one of the slot in which is looked. Undefined: all. */
  readonly key?: string | undefined;
  /** Made at this time or later. */
  readonly from?: Date | undefined;
  /** Made before this time. */
  readonly to?: Date | undefined;
}

/** A range of the primary key: the rows of a slot whose keys come after `key`. */
export interface ScanPosition {
  readonly slot: number;
  readonly key: string;
}

export interface ScanPiece {
  /** Whether the server records the slot as its own. */
  readonly isOwned: boolean;
  /** The links that match, in the order of their keys, without their tags. */
  readonly links: readonly OwnLink[];
  /** The last key that was looked at, whether it matched or not. Undefined: the slot ends here. */
  readonly lookedTo: string | undefined;
}

interface Row extends Partial<LinkColumns> {
  readonly is_owned: number;
}

/**
 * Looks at the next `count` rows of a slot, for at most `limit` links. There is no index by time or target,
 * because it would make every new link slower. So the search reads the rows in the order of the primary key,
 * in pieces of bounded work.
 *
 * @throws StoreUnavailableError: the read may be repeated
 */
export async function scanLinks(
  db: Mysql,
  question: ScanQuestion,
  {
    after,
    count,
    limit,
    timeoutMs,
  }: { after: ScanPosition; count: number; limit: number; timeoutMs: number },
): Promise<ScanPiece> {
  const end = await findEnd(db, question, { after, count, timeoutMs });
  const [condition, params] = conditionsOf(question);
  // The record of the slot is part of the statement that reads the links, so both are of the same moment.
  const rows = await db.query<Row>(
    `SELECT s.owned AS is_owned, ${LINK_COLUMNS} FROM slots s
     LEFT JOIN urls u ON u.slot = ? AND u.unique_id > ? AND u.unique_id <= ? AND ${condition}
     WHERE s.slot = ? ORDER BY u.unique_id LIMIT ?`,
    [after.slot, after.key, end.key, ...params, after.slot, limit],
    { timeoutMs },
  );
  const links = rows.flatMap((row) => (isLink(row) ? [toOwnLink(row, [])] : []));
  const isFull = links.length === limit;
  return {
    isOwned: rows[0]?.is_owned === 1,
    links,
    lookedTo: isFull ? links.at(-1)?.key : end.isLast ? undefined : end.key,
  };
}

/** The last key of a piece. Only keys are read: the text of a row is looked at once. */
async function findEnd(
  db: Mysql,
  { key }: ScanQuestion,
  { after, count, timeoutMs }: { after: ScanPosition; count: number; timeoutMs: number },
): Promise<{ key: string; isLast: boolean }> {
  if (key !== undefined) return { key, isLast: true };
  const [row] = await db.queryArrays<[string | null, number]>(
    `SELECT MAX(unique_id), COUNT(*) FROM
       (SELECT unique_id FROM urls WHERE slot = ? AND unique_id > ? ORDER BY unique_id LIMIT ?) piece`,
    [after.slot, after.key, count],
    { timeoutMs },
  );
  const [last, found] = row ?? [null, 0];
  return { key: last ?? after.key, isLast: found < count };
}

function conditionsOf({ key, from, to, ...choice }: ScanQuestion): [sql: string, params: SqlValue[]] {
  const [condition, params] = conditionOf(choice);
  const conditions = [condition];
  const add = (also: string, value: SqlValue): void => {
    conditions.push(also);
    params.push(value);
  };
  if (key !== undefined) add('u.unique_id = ?', key);
  if (from !== undefined) add('u.created_at >= ?', from);
  if (to !== undefined) add('u.created_at < ?', to);
  return [conditions.join(' AND '), params];
}

function isLink(row: Row): row is Row & LinkColumns {
  return row.unique_id !== null && row.unique_id !== undefined;
}
