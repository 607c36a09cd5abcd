import type { Mysql } from '../mysql/mysql.ts';
import { DIMENSIONS, MAX_VALUES, MONTH_ITSELF, OTHER_VALUES } from './dimensions.ts';
import { CLOSING_DAYS, PIECE_TIMEOUT_MS, type RollUpOptions } from './roll-up.ts';
import { monthOf, toDay, toSqlDay } from './sql-times.ts';
import { isOneOf, type SubjectKind } from './subject.ts';

/**
 * Sums months that are closed and not summed yet, or of which more was counted since: see `reopenMonths` in
 * flush-statements.ts. The rules of roll-up.ts hold here too.
 * @param since full days since 1970: months that began before are left as they are
 */
export async function closeMonths(options: RollUpOptions & { readonly since: number }): Promise<void> {
  const { db, kind, ids, today, since } = options;
  const { prefix, name } = kind;
  // A clock that was ahead has summed months that are not over: flushes of such a month do not open it again.
  await db.execute(
    `DELETE FROM ${prefix}_months WHERE ${isOneOf(kind, ids)} AND dimension = ${MONTH_ITSELF}
     AND month >= ${toSqlDay(monthOf(today - CLOSING_DAYS))}`,
    [],
    { timeoutMs: PIECE_TIMEOUT_MS },
  );
  const between = (column: string): string => `${isOneOf(kind, ids)} AND ${column} >= ${toSqlDay(since)}
    AND ${column} < ${toSqlDay(monthOf(today - CLOSING_DAYS))}`;
  const months = async (from: readonly string[]): Promise<[string, string][]> =>
    db.queryArrays<[string, string]>(from.join(' UNION '), [], { timeoutMs: PIECE_TIMEOUT_MS });
  const counted = await months(
    [
      ['hours', 'hour'],
      ['days', 'day'],
    ].map(
      ([table, column]) =>
        `SELECT DISTINCT ${name}, DATE_FORMAT(${column}, '%Y-%m-01') FROM ${prefix}_${table}
         WHERE ${between(String(column))}`,
    ),
  );
  if (counted.length === 0) return;
  const summed = await months([
    `SELECT ${name}, DATE_FORMAT(month, '%Y-%m-%d') FROM ${prefix}_months
     WHERE ${between('month')} AND dimension = ${MONTH_ITSELF}`,
  ]);
  const isSummed = new Set(summed.map((month) => month.join(' ')));
  for (const month of counted)
    if (!isSummed.has(month.join(' ')))
      await closeMonth(db, kind, { id: kind.toId(month[0]), month: toDay(month[1]) });
}

async function closeMonth(
  db: Mysql,
  kind: SubjectKind,
  { id, month }: { readonly id: string; readonly month: number },
): Promise<void> {
  const { prefix, id: columns } = kind;
  const isIts = isOneOf(kind, [id]);
  const within = (column: string): string =>
    `${isIts} AND ${column} >= ${toSqlDay(month)} AND ${column} < ${toSqlDay(monthOf(month, 1))}`;
  const hours = `${prefix}_hours WHERE ${within('hour')}`;
  const days = `${prefix}_days WHERE ${within('day')}`;
  const into = `INSERT INTO ${prefix}_months (${columns}, dimension, month, value, humans, bots)`;
  await db.transact(
    [
      // Every flush adds to hours first. So none comes in between, and what it adds later opens the month
      // again.
      `SELECT 1 FROM ${hours} FOR UPDATE`,
      `SELECT 1 FROM ${days} FOR UPDATE`,
      `DELETE FROM ${prefix}_months
       WHERE ${isIts} AND dimension IN (${[MONTH_ITSELF, ...ALL].join(',')}) AND month = ${toSqlDay(month)}`,
      `${into} SELECT ${id}, ${MONTH_ITSELF}, ${toSqlDay(month)}, '', SUM(humans), SUM(bots)
       FROM (SELECT humans, bots FROM ${hours} UNION ALL SELECT humans, bots FROM ${days}) counted
       HAVING COUNT(*) > 0`,
      `${into} SELECT ${id}, dimension, ${toSqlDay(month)},
         IF(place > ${MAX_VALUES}, '${OTHER_VALUES}', value) AS kept, SUM(h), SUM(b)
       FROM (
         SELECT dimension, value, SUM(humans) AS h, SUM(bots) AS b, ROW_NUMBER() OVER (
           PARTITION BY dimension ORDER BY value = '${OTHER_VALUES}', SUM(humans) + SUM(bots) DESC, value
         ) AS place
         FROM ${prefix}_values WHERE dimension IN (${ALL.join(',')}) AND ${within('day')}
         GROUP BY dimension, value
       ) ranked
       GROUP BY dimension, kept`,
    ],
    [],
    { timeoutMs: PIECE_TIMEOUT_MS },
  );
}

const ALL = Object.values(DIMENSIONS);
