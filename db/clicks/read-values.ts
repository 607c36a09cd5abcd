import type { Mysql } from '../mysql/mysql.ts';
import { dayNumber, isBetweenDays } from './day-numbers.ts';
import { DIMENSIONS, MONTH_ITSELF, NO_VALUE, type Dimension } from './dimensions.ts';
import { isOf, type AskedSubject } from './read-subject.ts';
import { toSqlDay } from './sql-times.ts';
import { LINK } from './subject.ts';

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
 * of each. The sum of a month that is not over is of a clock that was ahead.
 * @throws StoreUnavailableError: the read may be repeated
 */
export async function readClosedMonths(
  db: Mysql,
  subject: AskedSubject,
  { fromDay, toDay }: DayRange,
  timeoutMs: number,
): Promise<number[]> {
  const sql = `SELECT ${dayNumber('month')} FROM ${subject.kind.prefix}_months
    WHERE ${isOf(subject)} AND dimension = ${MONTH_ITSELF} AND ${isBetweenDays('month', fromDay, toDay)}
      AND month < DATE_FORMAT(UTC_DATE(), '%Y-%m-01')`;
  const rows = await db.queryArrays<[number]>(sql, [], { timeoutMs });
  return rows.map(([day]) => day);
}

/** `question`: its number among those that are asked together. */
type SumRow = readonly [question: number, value: string, ...sums: (number | string)[]];

interface Statement {
  readonly sql: string;
  readonly params: readonly number[];
}

/**
 * Adds up the clicks of each value, for several questions about one subject. The server adds up days and
 * months: so many rows would hold up the redirects of this process. Months and days are each grouped where
 * they are stored. One grouping of all rows took 22 ms of the server, and not 12, for three years with 200
 * values a day; and 0.9 s, and not 0.6, for 20,000 links of an owner on 50 days.
 *
 * The values of a link are bounded by day, so the sums of months and days are put together here, and one
 * statement answers all questions. An owner may have any number of values, so the server puts them together,
 * and each question is a statement with a deadline of its own.
 * @returns an answer to each question
 * @throws StoreUnavailableError: the read may be repeated
 */
export async function readValues(
  db: Mysql,
  subject: AskedSubject,
  questions: readonly ValuesQuestion[],
  timeoutMs: number,
): Promise<ValueCounts[]> {
  const read = async ({ sql, params }: Statement): Promise<SumRow[]> =>
    sql === '' ? [] : db.queryArrays<SumRow>(sql, params, { timeoutMs });
  if (subject.kind === LINK) {
    const sql = questions.flatMap((question, index) => sumsOf(subject, question, index)).join(' UNION ALL ');
    const rows = Map.groupBy(await read({ sql, params: [] }), ([index]) => index);
    return questions.map(({ count }, index) => toCounts(rows.get(index) ?? [], count));
  }
  return Promise.all(
    questions.map(async (question) => {
      const rows = await read(mostFrequentOf(subject, question));
      const [, , , , humans = 0, bots = 0] = rows[0] ?? [0, ''];
      return { items: rows.map(toCount), humans: Number(humans), bots: Number(bots) };
    }),
  );
}

/** A SELECT for each table of a question. @param index of the question */
function sumsOf(subject: AskedSubject, question: ValuesQuestion, index = 0): string[] {
  return tablesOf(subject, question).map(
    (table) => `SELECT ${index}, value, SUM(humans) AS humans, SUM(bots) AS bots ${table} GROUP BY value`,
  );
}

function mostFrequentOf(subject: AskedSubject, question: ValuesQuestion): Statement {
  const sums = sumsOf(subject, question);
  const sql = `SELECT 0, value, humans, bots, SUM(humans) OVER (), SUM(bots) OVER () FROM (
      SELECT value, SUM(humans) AS humans, SUM(bots) AS bots FROM (${sums.join(' UNION ALL ')}) counted GROUP BY value
    ) summed ORDER BY humans DESC, bots DESC, value LIMIT ?`;
  return { sql: sums.length === 0 ? '' : sql, params: [question.count] };
}

/**
 * The tables of a question, each with its condition. Earlier releases stored clicks of which nothing is known
 * too; they are those that are left.
 */
function tablesOf(subject: AskedSubject, { dimension, months, days }: ValuesQuestion): string[] {
  const tableOf = (name: string, condition: string): string =>
    `FROM ${subject.kind.prefix}_${name} WHERE ${isOf(subject)} AND dimension = ${DIMENSIONS[dimension]}
      AND value <> '${NO_VALUE}' AND (${condition})`;
  return [
    ...(months.length === 0 ? [] : [tableOf('months', `month IN (${months.map(toSqlDay).join(',')})`)]),
    ...(days.length === 0
      ? []
      : [
          tableOf(
            'values',
            days.map(({ fromDay, toDay }) => isBetweenDays('day', fromDay, toDay)).join(' OR '),
          ),
        ]),
  ];
}

/** Puts the sums of months and of days together. */
function toCounts(rows: readonly SumRow[], count: number): ValueCounts {
  const sums = new Map<string, ValueCount>();
  const all = { humans: 0, bots: 0 };
  for (const row of rows) {
    const own = toCount(row);
    all.humans += own.humans;
    all.bots += own.bots;
    const before = sums.get(own.value);
    sums.set(own.value, before === undefined ? own : addCounts(before, own));
  }
  return { items: [...sums.values()].sort(compareCounts).slice(0, count), ...all };
}

function toCount([, value, humans = 0, bots = 0]: SumRow): ValueCount {
  return { value, humans: Number(humans), bots: Number(bots) };
}

/** Of the same value. */
export function addCounts({ value, humans, bots }: ValueCount, more: ValueCount): ValueCount {
  return { value, humans: humans + more.humans, bots: bots + more.bots };
}

/** The order of answers: the most frequent value first. */
export function compareCounts(a: ValueCount, b: ValueCount): number {
  return b.humans - a.humans || b.bots - a.bots || (a.value < b.value ? -1 : 1);
}
