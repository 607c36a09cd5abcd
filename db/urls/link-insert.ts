import { toSqlText } from '../mysql/driver.ts';
import type { LinkRow } from './link.ts';

export const COLUMNS = 'slot, unique_id, original_url, created_at, request_id';
/** Few links need these columns. Other INSERTs omit them, because the server must parse every value. */
const RARE_COLUMNS = 'user_id, expires_at, alias';

/**
 * One INSERT of all rows, in the order of the primary key. In another order concurrent INSERTs deadlock
 * (measured: 126 of 600).
 */
export function toInsert(rows: readonly LinkRow[]): string {
  const dates = new DateTimes();
  const sorted = rows.toSorted(byPrimaryKey);
  const hasRare = rows.some(isRare);
  const values = sorted.map((row) => {
    const usual = toValues(row, dates);
    return hasRare ? `(${usual},${toRareValues(row, dates)})` : `(${usual})`;
  });
  const columns = hasRare ? `${COLUMNS}, ${RARE_COLUMNS}` : COLUMNS;
  return `INSERT INTO urls (${columns}) VALUES ${values.join(',')}`;
}

/** Whether it has a value in one of the rare columns. */
export function isRare({ userId, expiresAt, alias }: LinkRow): boolean {
  return userId !== null || expiresAt !== null || alias === true;
}

function toValues(row: LinkRow, dates: DateTimes): string {
  const texts = `${toSqlText(row.key)},${toSqlText(row.longUrl)},${dates.of(row.createdAt)}`;
  return `${row.slot},${texts},x'${row.requestId}'`;
}

function toRareValues({ userId, expiresAt, alias }: LinkRow, dates: DateTimes): string {
  return `${userId ?? 'NULL'},${expiresAt === null ? 'NULL' : dates.of(expiresAt)},${alias === true ? 1 : 0}`;
}

/** The order of the primary key of `urls`. */
export function byPrimaryKey(a: LinkRow, b: LinkRow): number {
  return a.slot - b.slot || compareAscii(a.key, b.key);
}

/** Dates as SQL: UTC, to the millisecond. Cached, because the rows of one INSERT share a few Date objects. */
export class DateTimes {
  readonly #texts = new Map<Date, string>();

  of(date: Date): string {
    const known = this.#texts.get(date);
    if (known !== undefined) return known;
    const text = `'${date.toISOString().replace('T', ' ').slice(0, -1)}'`;
    this.#texts.set(date, text);
    return text;
  }
}

/** The order of `ascii_bin`. */
function compareAscii(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
