import { slotOf } from '../keyspace/placement.ts';
import { toSqlText } from '../mysql/driver.ts';
import type { Mysql } from '../mysql/mysql.ts';
import type { Counts, DayVisitors, HourClicks } from './click-flush.ts';
import type { Dimension } from './dimensions.ts';

/**
 * Of what clicks are counted: of a link, or of all links of an owner on this urls server. Both have the same
 * tables, `click_…` and `owner_…`, which differ in the first columns of their primary keys.
 */
export interface SubjectKind {
  readonly prefix: 'click' | 'owner';
  /** The columns that name a subject. */
  readonly id: string;
  /** The name of a subject as text: the key of a link, or the number of an owner. In SQL. */
  readonly name: string;
  /** The values of the columns that name a subject, in SQL. */
  toId(name: string): string;
}

export const LINK: SubjectKind = {
  prefix: 'click',
  id: 'slot, unique_id',
  name: 'unique_id',
  toId: (key) => `${slotOf(key)},${toSqlText(key)}`,
};

export const OWNER: SubjectKind = {
  prefix: 'owner',
  id: 'user_id',
  name: 'CAST(user_id AS CHAR)',
  toId: (userId) => String(BigInt(userId)),
};

/** Clicks of one day with one value, also by link. */
export interface SubjectValue extends Counts {
  readonly day: number;
  readonly dimension: Dimension;
  readonly value: string;
}

/** What was counted for a link, or for all links of an owner. */
export interface SubjectClicks {
  /** The values of its columns in SQL. */
  readonly id: string;
  readonly hours: readonly HourClicks[];
  readonly values: readonly SubjectValue[];
  readonly visitors: readonly DayVisitors[];
}

/**
 * Links that were followed ever, in the order of their slots and keys. A link has its totals as long as it
 * has other rows.
 * @param after the key of the last link of the call before; undefined: from the first on
 * @returns up to `count` keys. @throws StoreUnavailableError
 */
export async function listLinks(db: Mysql, after: string | undefined, count: number): Promise<string[]> {
  const behind = after === undefined ? 'TRUE' : `slot = ? AND unique_id > ? OR slot > ?`;
  const place = after === undefined ? [] : [slotOf(after), after, slotOf(after)];
  const rows = await db.queryArrays<[string]>(
    `SELECT unique_id FROM click_totals WHERE ${behind} ORDER BY slot, unique_id LIMIT ?`,
    [...place, count],
  );
  return rows.map(([key]) => key);
}

/**
 * Owners whose links were followed, in the order of their numbers: each has rows by hour, day or month. The
 * server jumps from owner to owner, and does not read all of their rows.
 * @param after as for {@link listLinks}
 */
export async function listOwners(db: Mysql, after: string | undefined, count: number): Promise<string[]> {
  const nextIn = (table: string, of: string): string =>
    `COALESCE((SELECT MIN(user_id) FROM ${table} WHERE user_id > ${of}), ${NO_OWNER})`;
  const next = (of: string): string =>
    `LEAST(${['owner_hours', 'owner_days', 'owner_months'].map((table) => nextIn(table, of)).join(', ')})`;
  const rows = await db.queryArrays<[string]>(
    `WITH RECURSIVE owners (user_id, place) AS (
       SELECT ${next('?')}, 1
       UNION ALL SELECT ${next('owners.user_id')}, place + 1 FROM owners
         WHERE user_id < ${NO_OWNER} AND place < ?
     ) SELECT CAST(user_id AS CHAR) FROM owners WHERE user_id < ${NO_OWNER} ORDER BY place`,
    [BigInt(after ?? 0), BigInt(after ?? 0), BigInt(after ?? 0), count],
  );
  return rows.map(([userId]) => userId);
}

const NO_OWNER = '18446744073709551615';

/**
 * A condition that is true for the rows of these subjects. Rows are not compared with lists of rows: a DELETE
 * of MariaDB would read the whole table then, and lock it.
 * @param ids as from `toId`, not empty
 */
export function isOneOf({ prefix }: SubjectKind, ids: readonly string[]): string {
  if (prefix === 'owner') return `user_id IN (${ids.join(',')})`;
  const keys = new Map<string, string>();
  for (const id of ids) {
    const comma = id.indexOf(',');
    const slot = id.slice(0, comma);
    const before = keys.get(slot);
    keys.set(slot, before === undefined ? id.slice(comma + 1) : before + id.slice(comma));
  }
  const ofSlots = [...keys].map(([slot, ofSlot]) => `slot = ${slot} AND unique_id IN (${ofSlot})`);
  return `(${ofSlots.join(' OR ')})`;
}
