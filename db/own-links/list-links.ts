import type { SqlValue } from '../mysql/driver.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { conditionOf, type LinkChoice } from './link-conditions.ts';
import type { ListPosition, OwnLink } from './own-link.ts';
import { LINK_COLUMNS, toOwnLink, type LinkColumns } from './read-links.ts';

/** Which links of an owner are listed. */
export interface ListQuestion extends LinkChoice {
  readonly userId: bigint;
  readonly tag?: string | undefined;
  /** Made at this time or later. */
  readonly from?: Date | undefined;
  /** Made before this time. */
  readonly to?: Date | undefined;
}

/** One piece of a list on one server: the answer to one statement, which read everything at one moment. */
export interface ListPiece {
  /** The slots that the server records as its own. */
  readonly slots: readonly number[];
  /** The links of these slots that match, in the order of the list, without their tags. */
  readonly links: readonly OwnLink[];
  /** The last place that was looked at, whether it matched or not. Undefined: the list ends here. */
  readonly lookedTo: ListPosition | undefined;
}

interface Row extends Partial<LinkColumns> {
  readonly slots: string | null;
  readonly at: Date | null;
  readonly place: string | null;
  readonly place_slot: number | null;
}

/**
 * Looks at the next `count` places of a list. The places are one range of a primary key. A link is joined
 * only if it matches, so each place that was looked at is a row of the answer.
 *
 * The slots are part of the same statement, so that they and the links are of the same moment. The text
 * columns are joined outside of the derived table: inside, MariaDB would write it to disk.
 *
 * @param after the place before the first one to look at
 * @throws StoreUnavailableError: the read may be repeated
 */
export async function readListPiece(
  db: Mysql,
  question: ListQuestion,
  { after, count, timeoutMs }: { after: ListPosition | undefined; count: number; timeoutMs: number },
): Promise<ListPiece> {
  const [places, placeParams] = placesOf(question, after);
  const [condition, conditionParams] = conditionOf(question);
  const sql = `SELECT s.slots, o.created_at AS at, o.unique_id AS place, o.slot AS place_slot, ${LINK_COLUMNS}
    FROM (SELECT GROUP_CONCAT(slot) AS slots FROM slots WHERE owned = 1) s
    LEFT JOIN (SELECT created_at, unique_id, slot FROM ${places}
               ORDER BY created_at DESC, unique_id DESC LIMIT ?) o ON TRUE
    LEFT JOIN urls u ON u.slot = o.slot AND u.unique_id = o.unique_id AND u.user_id = ? AND ${condition}`;
  const params = [...placeParams, count, question.userId, ...conditionParams];
  return toPiece(await db.query<Row>(sql, params, { timeoutMs }), count);
}

function toPiece(rows: readonly Row[], count: number): ListPiece {
  const slots = (rows[0]?.slots ?? '').split(',').filter(Boolean).map(Number);
  const owned = new Set(slots);
  const places = rows
    .flatMap((row) =>
      row.at === null || row.place === null ? [] : [{ row, createdAt: row.at, key: row.place }],
    )
    .sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime() || (a.key > b.key ? -1 : 1));
  return {
    slots,
    links: places.flatMap(({ row }) => (isMatch(row) && owned.has(row.slot) ? [toOwnLink(row, [])] : [])),
    lookedTo: places.length < count ? undefined : places.at(-1),
  };
}

function isMatch(row: Row): row is Row & LinkColumns {
  return row.unique_id !== null && row.unique_id !== undefined;
}

/** A range of the primary key of `owned`, or of that of `link_tags`. */
function placesOf(
  { userId, tag, from, to }: ListQuestion,
  after: ListPosition | undefined,
): [sql: string, params: SqlValue[]] {
  const conditions = ['user_id = ?'];
  const params: SqlValue[] = [userId];
  const add = (condition: string, ...values: SqlValue[]): void => {
    conditions.push(condition);
    params.push(...values);
  };
  if (tag !== undefined) add('tag = ?', tag);
  if (from !== undefined) add('created_at >= ?', from);
  if (to !== undefined) add('created_at < ?', to);
  if (after !== undefined)
    add(
      '(created_at < ? OR (created_at = ? AND unique_id < ?))',
      after.createdAt,
      after.createdAt,
      after.key,
    );
  return [`${tag === undefined ? 'owned' : 'link_tags'} WHERE ${conditions.join(' AND ')}`, params];
}
