import { Turns } from '../../runtime/turns.ts';
import { toSqlText } from '../mysql/driver.ts';
import type { ClickFlush, Counts, HourClicks } from './click-flush.ts';
import { DIMENSIONS, MONTH_ITSELF } from './dimensions.ts';
import { dayOf, monthOf, toSqlDay, toSqlHour } from './sql-times.ts';
import { isOneOf, LINK, OWNER, type SubjectClicks, type SubjectKind, type SubjectValue } from './subject.ts';

export interface FlushParts {
  /** In the order of the primary key. */
  readonly links: readonly SubjectClicks[];
  /** In the order of the primary key. Their sums are part of `links`. */
  readonly owners: readonly SubjectClicks[];
  /** Of the same transaction. */
  readonly further: readonly string[];
}

/** Written in one turn of the event loop: some 0.2 ms. */
const ROWS_PER_TURN = 200;

/**
 * The statements of the transaction that adds a flush. They are written piece by piece, so that no request
 * waits for all of them.
 *
 * They are texts: the driver's formatting of every value would delay redirects by milliseconds. All mappers
 * lock tables in this order, and rows in the order of their primary keys, so that they seldom deadlock.
 */
export async function toStatements(
  flush: Pick<ClickFlush, 'source' | 'seq'>,
  { links, owners, further }: FlushParts,
): Promise<string[]> {
  const turns = new Turns(ROWS_PER_TURN);
  return [
    markOf(flush),
    toInsert(
      `click_totals (${LINK.id}`,
      links.map(({ id, hours }) => `${id},${toSqlCounts(sumOf(hours))}`),
    ),
    ...(await toAdditions(LINK, links, flush.source, turns)),
    ...(owners.length === 0 ? [] : await toAdditions(OWNER, owners, flush.source, turns)),
    ...further,
  ];
}

/**
 * Adds a flush if and only if it is newer than the last flush of its source. For an older one it sets NULL,
 * which the column forbids, so that the server refuses the statement and with it the transaction.
 */
export function markOf({ source, seq }: Pick<ClickFlush, 'source' | 'seq'>): string {
  return `INSERT INTO click_flushes (source, seq, flushed_at) VALUES (${toSqlText(source)}, ${seq}, UTC_TIMESTAMP(3))
  ON DUPLICATE KEY UPDATE seq = IF(seq < VALUES(seq), VALUES(seq), NULL), flushed_at = VALUES(flushed_at)`;
}

async function toAdditions(
  kind: SubjectKind,
  subjects: readonly SubjectClicks[],
  source: string,
  turns: Turns,
): Promise<string[]> {
  const { prefix, id: columns } = kind;
  const [sqlHourOf, sqlDayOf] = [onceEach(toSqlHour), onceEach(toSqlDay)];
  const [hours, values, visitors]: [string[], string[], string[]] = [[], [], []];
  for (const subject of subjects) {
    const { id } = subject;
    for (const hour of inOrder(subject.hours))
      hours.push(`${id},${sqlHourOf(hour.hour)},${toSqlCounts(hour)}`);
    for (const row of toValueRows(subject, sqlDayOf)) values.push(row);
    for (const { day, sketch } of subject.visitors.toSorted((a, b) => a.day - b.day))
      visitors.push(`${id},${sqlDayOf(day)},${toSqlText(source)},x'${sketch.toBytes().toString('hex')}'`);
    await turns.did(subject.hours.length + subject.values.length + subject.visitors.length);
  }
  return [
    toInsert(`${prefix}_hours (${columns}, hour`, hours),
    ...(values.length === 0 ? [] : [toInsert(`${prefix}_values (${columns}, dimension, day, value`, values)]),
    ...(visitors.length === 0
      ? []
      : [
          `INSERT INTO ${prefix}_visitors (${columns}, day, source, sketch) VALUES (${visitors.join('),(')})
          ON DUPLICATE KEY UPDATE sketch = VALUES(sketch)`,
        ]),
    ...reopenMonths(kind, subjects),
  ];
}

/** V8 puts a text of many parts together one by one: what rows have in common is one part. */
function toValueRows({ id, values }: SubjectClicks, sqlDayOf: (day: number) => string): string[] {
  let start = '';
  let before: SubjectValue | undefined;
  return valuesInOrder(values).map((one) => {
    const { dimension, day, value } = one;
    if (dimension !== before?.dimension || day !== before.day)
      start = `${id},${DIMENSIONS[dimension]},${sqlDayOf(day)},`;
    before = one;
    const counts = toSqlCounts(one);
    return `${start}${toSqlText(value)},${counts}`;
  });
}

/** Most links have one value of each dimension, in this order. */
function valuesInOrder(values: SubjectClicks['values']): SubjectClicks['values'] {
  for (let i = 1; i < values.length; i += 1)
    if (compareValues(values[i - 1] as SubjectValue, values[i] as SubjectValue) > 0)
      return values.toSorted(compareValues);
  return values;
}

function compareValues(a: SubjectValue, b: SubjectValue): number {
  if (a.dimension !== b.dimension) return DIMENSIONS[a.dimension] - DIMENSIONS[b.dimension];
  return a.day - b.day || compareAscii(a.value, b.value);
}

/** Nearly always it is one hour. */
function inOrder(hours: readonly HourClicks[]): readonly HourClicks[] {
  return hours.length > 1 ? hours.toSorted((a, b) => a.hour - b.hour) : hours;
}

/** Hundreds of rows have the same hour or day, and to write a date takes longer than the rest of a row. */
function onceEach<T>(write: (time: number) => T): (time: number) => T {
  const written = new Map<number, T>();
  return (time) => {
    let known = written.get(time);
    if (known === undefined) written.set(time, (known = write(time)));
    return known;
  };
}

/**
 * The sums of a month that is over are no longer complete. The server decides by its own clock whether it is
 * over, which costs nothing while it is not. It must come after the statement for the hours, for which it
 * waits while a job sums the month.
 */
function reopenMonths(kind: SubjectKind, subjects: readonly SubjectClicks[]): string[] {
  const months = new Map<number, string[]>();
  const monthOfHour = onceEach((hour) => monthOf(dayOf(hour)));
  for (const { id, hours } of subjects)
    for (const { hour } of hours) {
      const month = monthOfHour(hour);
      const ids = months.get(month);
      if (ids === undefined) months.set(month, [id]);
      else if (ids.at(-1) !== id) ids.push(id);
    }
  return [...months].map(
    ([month, ids]) =>
      `DELETE FROM ${kind.prefix}_months WHERE UTC_DATE() >= ${toSqlDay(monthOf(month, 1))}
       AND dimension = ${MONTH_ITSELF} AND month = ${toSqlDay(month)} AND ${isOneOf(kind, ids)}`,
  );
}

function toInsert(columns: string, rows: readonly string[]): string {
  return `INSERT INTO ${columns}, humans, bots) VALUES (${rows.join('),(')})
  ON DUPLICATE KEY UPDATE humans = humans + VALUES(humans), bots = bots + VALUES(bots)`;
}

function sumOf(hours: readonly HourClicks[]): Counts {
  return hours.reduce((sum, { humans, bots }) => ({ humans: sum.humans + humans, bots: sum.bots + bots }), {
    humans: 0,
    bots: 0,
  });
}

function toSqlCounts({ humans, bots }: Counts): string {
  return `${humans},${bots}`;
}

/** The order of `ascii_bin`. */
export function compareAscii(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
