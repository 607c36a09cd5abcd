import type { SqlValue } from '../mysql/driver.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { dayNumber, toSqlDay } from './day-numbers.ts';
import { DIMENSIONS, MONTH_ITSELF, type Dimension } from './dimensions.ts';
import { rowsOf, type Subject } from './subject.ts';

/** Days since 1970-01-01, UTC. */
export interface DayRange {
  readonly fromDay: number;
  /** The first day behind it. */
  readonly toDay: number;
}

export interface ValueCount {
  readonly value: string;
  readonly humans: number;
  readonly bots: number;
}

export interface ValueCounts {
  /** The most frequent ones first. */
  readonly items: readonly ValueCount[];
  /** Of all values, also those that are not among the items. */
  readonly humans: number;
  readonly bots: number;
}

export interface ValuesQuestion {
  readonly dimension: Dimension;
  /** The first days of months of which the sums are read, instead of their days. */
  readonly months: readonly number[];
  /** Days outside of these months. */
  readonly days: readonly DayRange[];
  /** The most items. */
  readonly count: number;
}

/**
 * The months of which the sums are complete, among those that begin in a range: the number of the first day
 * of each.
 * @throws StoreUnavailableError: the read may be repeated
 */
export async function readClosedMonths(
  db: Mysql,
  subject: Subject,
  { fromDay, toDay }: DayRange,
  timeoutMs: number,
): Promise<number[]> {
  const { prefix, where, params } = rowsOf(subject);
  const sql = `SELECT ${dayNumber('month')} FROM ${prefix}_months
    WHERE ${where} AND dimension = ? AND month >= ? AND month < ? AND value = ''`;
  const rows = await db.queryArrays<[number]>(
    sql,
    [...params, MONTH_ITSELF, toSqlDay(fromDay), toSqlDay(toDay)],
    { timeoutMs },
  );
  return rows.map(([day]) => day);
}

/**
 * Adds up the clicks of each value. The server does that: so many rows would hold up the redirects of this
 * process.
 * @throws StoreUnavailableError: the read may be repeated
 */
export async function readValues(
  db: Mysql,
  subject: Subject,
  { dimension, months, days, count }: ValuesQuestion,
  timeoutMs: number,
): Promise<ValueCounts> {
  const { prefix, where, params } = rowsOf(subject);
  const [parts, values]: [string[], SqlValue[]] = [[], []];
  const add = (table: string, condition: string, ...more: SqlValue[]): void => {
    parts.push(
      `SELECT value, humans, bots FROM ${prefix}_${table} WHERE ${where} AND dimension = ? AND ${condition}`,
    );
    values.push(...params, DIMENSIONS[dimension], ...more);
  };
  if (months.length > 0) add('months', 'month IN (?)', months.map(toSqlDay));
  for (const { fromDay, toDay } of days)
    add('values', 'day >= ? AND day < ?', toSqlDay(fromDay), toSqlDay(toDay));
  if (parts.length === 0) return { items: [], humans: 0, bots: 0 };
  const sql = `SELECT value, humans, bots, SUM(humans) OVER (), SUM(bots) OVER () FROM (
      SELECT value, SUM(humans) AS humans, SUM(bots) AS bots FROM (${parts.join(' UNION ALL ')}) counted
      GROUP BY value
    ) summed ORDER BY humans DESC, bots DESC, value LIMIT ?`;
  type Row = [string, ...sums: (number | string)[]];
  const rows = await db.queryArrays<Row>(sql, [...values, count], { timeoutMs });
  const [, , , humans = 0, bots = 0] = rows[0] ?? [''];
  return {
    items: rows.map(([value, own, ofBots]) => ({ value, humans: Number(own), bots: Number(ofBots) })),
    humans: Number(humans),
    bots: Number(bots),
  };
}
