import type { SqlValue } from '../mysql/driver.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { FORGET_CHANGE, toLinkEvents } from '../outbox/link-events.ts';
import type { ListPosition } from './own-link.ts';

/**
 * A walk over all links of an owner on one server, for those that expired after `from` and not after `to`. It
 * is stored, so any process goes on with it.
 */
export interface ExpiryWalk {
  readonly userId: bigint;
  readonly from: Date;
  readonly to: Date;
  /** The last place up to which events are written. Undefined: none is. */
  readonly writtenTo: ListPosition | undefined;
}

/** Some successive places of the list of an owner, from the oldest to the newest. */
export interface WalkedPiece {
  /** The links that have expired in the time of the walk. */
  readonly expired: readonly { readonly slot: number; readonly key: string }[];
  /** The last place. Undefined: the list ends here. */
  readonly end: ListPosition | undefined;
}

/**
 * Begins the next walk of an owner, or finds the one that is under way. The clock of the server decides what
 * has expired.
 * @param since when somebody began to listen: earlier expiries are not told
 * @param settleMs a link that expired this short a time ago waits for the next walk: the request that has
 *   made or changed it may still be under way, and clocks differ
 * @returns undefined: the last walk was just now
 * @throws StoreUnavailableError, OutcomeUnknownError: repeat it
 */
export async function beginWalk(
  db: Mysql,
  { userId, since, settleMs }: { userId: bigint; since: Date; settleMs: number },
): Promise<ExpiryWalk | undefined> {
  const isLater = 'VALUES(expired_to) > expired_to';
  // The server evaluates assignments from left to right.
  await db.execute(
    `INSERT INTO expiry_marks (user_id, expired_to) VALUES (?, ?) ON DUPLICATE KEY UPDATE
       walks_to = IF(${isLater}, NULL, walks_to), created_at = IF(${isLater}, NULL, created_at),
       unique_id = IF(${isLater}, NULL, unique_id), expired_to = GREATEST(expired_to, VALUES(expired_to))`,
    [userId, since],
  );
  const settled = 'UTC_TIMESTAMP(3) - INTERVAL ? MICROSECOND';
  await db.execute(
    `UPDATE expiry_marks SET walks_to = ${settled}, created_at = NULL, unique_id = NULL
     WHERE user_id = ? AND walks_to IS NULL AND expired_to < ${settled}`,
    [settleMs * 1_000, userId, settleMs * 1_000],
  );
  const [row] = await db.queryArrays<[Date, Date | null, Date | null, string | null]>(
    'SELECT expired_to, walks_to, created_at, unique_id FROM expiry_marks WHERE user_id = ?',
    [userId],
  );
  if (row === undefined) return undefined;
  const [from, to, createdAt, key] = row;
  const writtenTo = createdAt === null || key === null ? undefined : { createdAt, key };
  return to === null ? undefined : { userId, from, to, writtenTo };
}

/** Looks at the next `count` places of a walk. @throws StoreUnavailableError: repeat it */
export async function readWalkedPiece(
  db: Mysql,
  { userId, from, to }: ExpiryWalk,
  { after, count }: { after: ListPosition | undefined; count: number },
): Promise<WalkedPiece> {
  const [behind, place] = compare('>', after);
  const [last] = await db.queryArrays<[Date, string]>(
    `SELECT created_at, unique_id FROM owned WHERE user_id = ? ${behind}
     ORDER BY created_at, unique_id LIMIT ?, 1`,
    [userId, ...place, count - 1],
  );
  const end = last && { createdAt: last[0], key: last[1] };
  const [upTo, endPlace] = end === undefined ? ['', []] : compare('<=', end);
  const expired = await db.queryArrays<[number, string]>(
    `SELECT u.slot, u.unique_id FROM (SELECT slot, unique_id FROM owned WHERE user_id = ? ${behind} ${upTo}) o
     JOIN urls u ON u.slot = o.slot AND u.unique_id = o.unique_id WHERE ${HAS_EXPIRED}`,
    [userId, ...place, ...endPlace, userId, from, to],
  );
  return { expired: expired.map(([slot, key]) => ({ slot, key })), end };
}

/**
 * Writes the events of a piece, and how far the walk has come, in one transaction. So no event is written
 * twice, whoever repeats the piece.
 * @returns false when another process has gone on with the walk meanwhile; then nothing was written
 * @throws OutcomeUnknownError, StoreUnavailableError: find the walk again
 */
export async function writeExpired(
  db: Mysql,
  { userId, from, to, writtenTo }: ExpiryWalk,
  { expired, end }: WalkedPiece,
): Promise<boolean> {
  const [set, values]: [string, SqlValue[]] =
    end === undefined
      ? ['expired_to = walks_to, walks_to = NULL, created_at = NULL, unique_id = NULL', []]
      : ['created_at = ?, unique_id = ?', [end.createdAt, end.key]];
  const statements = [
    FORGET_CHANGE,
    `UPDATE expiry_marks SET user_id = LAST_INSERT_ID(user_id), ${set}
     WHERE user_id = ? AND expired_to = ? AND walks_to = ? AND created_at <=> ? AND unique_id <=> ?`,
  ];
  const params = [...values, userId, from, to, writtenTo?.createdAt ?? null, writtenTo?.key ?? null];
  if (expired.length > 0) {
    const choice = `(u.slot, u.unique_id) IN (?) AND ${HAS_EXPIRED} AND u.user_id = LAST_INSERT_ID()`;
    statements.push(toLinkEvents('link.expired', choice));
    params.push(
      expired.map(({ slot, key }) => [slot, key]),
      userId,
      from,
      to,
    );
  }
  const [, moved] = await db.transact(statements, params);
  return moved === 1;
}

const HAS_EXPIRED = 'u.user_id = ? AND u.expires_at > ? AND u.expires_at <= ? AND u.deleted_at IS NULL';

function compare(operator: '>' | '<=', place: ListPosition | undefined): [sql: string, params: SqlValue[]] {
  if (place === undefined) return ['', []];
  const { createdAt, key } = place;
  // With both conditions the place is a range of the primary key. A comparison of pairs is none.
  return [
    `AND created_at ${operator.charAt(0)}= ? AND (created_at ${operator.charAt(0)} ? OR unique_id ${operator} ?)`,
    [createdAt, createdAt, key],
  ];
}
