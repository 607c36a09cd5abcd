import type { SqlValue } from '../mysql/driver.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { whereKeys } from '../urls/link-targets.ts';
import { parseRules, type LinkRules } from '../urls/link-rules.ts';
import type { ListPosition } from './own-link.ts';
import type { ScanPosition } from './scan-links.ts';
import { RESTORABLE_FROM } from './read-links.ts';

/** A row of `urls` as those see it who care for the bytes of images. */
export interface ImageRow {
  readonly key: string;
  readonly slot: number;
  /** With `image`: the link is an image. */
  readonly rules: LinkRules;
  readonly userId: bigint | null;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly deletedAt: Date | null;
  /** It was deleted so long ago that it cannot be restored. The clock of the server decides. */
  readonly isGone: boolean;
  /** It expired as long ago. */
  readonly hasLapsed: boolean;
}

/** What a server says about some keys. */
export interface ReadRows {
  readonly rows: ReadonlyMap<string, ImageRow>;
  /** Those of which it has the rows, if there are any. */
  readonly slots: ReadonlySet<number>;
}

/** A piece of a walk over the rows of a server. */
export interface RowPiece<Position> {
  /** The images among them. */
  readonly images: readonly ImageRow[];
  /** Of the last row that was looked at. Undefined: the walk ends here. */
  readonly end: Position | undefined;
}

const READ_MS = 10_000;

/**
 * Reads the rows of some keys, whether they are images or not.
 * @throws StoreUnavailableError: the read may be repeated
 */
export async function readRows(db: Mysql, keys: readonly string[]): Promise<ReadRows> {
  const found = await db.query<Row>(`SELECT ${COLUMNS} FROM urls u WHERE ${whereKeys(keys)}`, [], {
    timeoutMs: READ_MS,
  });
  // Read last: a slot that is still owned now was owned when the rows were read.
  const slots = await ownedSlots(db);
  return { rows: new Map(found.map((row) => [row.unique_id, toImageRow(row)])), slots };
}

/**
 * The images among the next `count` rows of one slot, in the order of the primary key.
 * @throws StoreUnavailableError also when the server does not own the slot
 */
export async function walkSlot(
  db: Mysql,
  { slot, key }: ScanPosition,
  count: number,
): Promise<RowPiece<ScanPosition>> {
  const [row] = await db.queryArrays<[string | null, number]>(
    `SELECT MAX(unique_id), COUNT(*) FROM
       (SELECT unique_id FROM urls WHERE slot = ? AND unique_id > ? ORDER BY unique_id LIMIT ?) piece`,
    [slot, key, count],
    { timeoutMs: READ_MS },
  );
  const [last, looked] = row ?? [null, 0];
  if (last === null) return { images: [], end: undefined };
  const images = await readImages(db, {
    from: 'urls u',
    where: 'u.slot = ? AND u.unique_id > ? AND u.unique_id <= ?',
    order: 'u.unique_id',
    params: [slot, key, last],
  });
  return { images, end: looked < count ? undefined : { slot, key: last } };
}

/**
 * The images among the next `count` links of an owner on this server, from the oldest to the newest.
 * @throws StoreUnavailableError: the read may be repeated
 */
export async function walkOwned(
  db: Mysql,
  { userId, after, count }: { userId: bigint; after: ListPosition | undefined; count: number },
): Promise<RowPiece<ListPosition>> {
  const behind = after === undefined ? '' : 'AND created_at >= ? AND (created_at > ? OR unique_id > ?)';
  const params = after === undefined ? [] : [after.createdAt, after.createdAt, after.key];
  const places = await db.queryArrays<[Date, string, number]>(
    `SELECT created_at, unique_id, slot FROM owned WHERE user_id = ? ${behind}
     ORDER BY created_at, unique_id LIMIT ?`,
    [userId, ...params, count],
    { timeoutMs: READ_MS },
  );
  const last = places.at(-1);
  if (last === undefined) return { images: [], end: undefined };
  const images = await readImages(db, {
    from: 'urls u',
    where: '(u.slot, u.unique_id) IN (?) AND u.user_id = ?',
    order: 'u.created_at, u.unique_id',
    params: [places.map(([, key, slot]) => [slot, key]), userId],
  });
  return { images, end: places.length < count ? undefined : { createdAt: last[0], key: last[1] } };
}

/** The slots whose links are on this server. @throws StoreUnavailableError */
export async function ownedSlots(db: Mysql): Promise<ReadonlySet<number>> {
  const owned = await db.queryArrays<[number]>('SELECT slot FROM slots WHERE owned = 1', [], {
    timeoutMs: READ_MS,
  });
  return new Set(owned.map(([slot]) => slot));
}

/** The server need not parse the rules of every row: only an image has such a target. */
const IS_IMAGE = "u.ruled_url LIKE 'image:%'";

const COLUMNS = `u.unique_id, u.slot, u.rules, CAST(u.user_id AS CHAR) AS user_id, u.created_at,
  u.expires_at, u.deleted_at, COALESCE(u.deleted_at <= ${RESTORABLE_FROM}, 0) AS is_gone,
  COALESCE(u.expires_at <= ${RESTORABLE_FROM}, 0) AS has_lapsed`;

interface Row {
  readonly unique_id: string;
  readonly slot: number;
  readonly rules: string | null;
  readonly user_id: string | null;
  readonly created_at: Date;
  readonly expires_at: Date | null;
  readonly deleted_at: Date | null;
  readonly is_gone: number;
  readonly has_lapsed: number;
}

interface Choice {
  readonly from: string;
  readonly where: string;
  readonly order: string;
  readonly params: readonly SqlValue[];
}

async function readImages(db: Mysql, { from, where, order, params }: Choice): Promise<ImageRow[]> {
  const rows = await db.query<Row>(
    `SELECT ${COLUMNS} FROM ${from} WHERE ${where} AND ${IS_IMAGE} ORDER BY ${order}`,
    params,
    { timeoutMs: READ_MS },
  );
  return rows.map(toImageRow);
}

function toImageRow(row: Row): ImageRow {
  return {
    key: row.unique_id,
    slot: row.slot,
    rules: row.rules === null ? {} : parseRules(row.rules),
    userId: row.user_id === null ? null : BigInt(row.user_id),
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    deletedAt: row.deleted_at,
    isGone: row.is_gone === 1,
    hasLapsed: row.has_lapsed === 1,
  };
}
