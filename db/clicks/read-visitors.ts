import type { Mysql } from '../mysql/mysql.ts';
import { dayNumber, isBetweenDays } from './day-numbers.ts';
import { isOf, type AskedSubject } from './read-subject.ts';
import type { DayRange } from './read-values.ts';
import { Sketch } from './sketch.ts';
import { readSketch } from './stored-sketches.ts';

/**
 * How many visitors a subject had, about: the sum of the visitors of each day. One statement reads days that
 * are closed and days that are not, so that it sees a day once while a job closes it.
 * @throws StoreUnavailableError: the read may be repeated
 */
export async function readVisitors(
  db: Mysql,
  subject: AskedSubject,
  { fromDay, toDay }: DayRange,
  timeoutMs: number,
): Promise<number> {
  const { prefix } = subject.kind;
  const condition = `${isOf(subject)} AND ${isBetweenDays('day', fromDay, toDay)}`;
  const sql = `SELECT NULL, SUM(visitors), NULL FROM ${prefix}_visitor_days WHERE ${condition}
    UNION ALL SELECT ${dayNumber('day')}, NULL, sketch FROM ${prefix}_visitors WHERE ${condition}`;
  const rows = await db.queryArrays<[number | null, number | string | null, Buffer | null]>(sql, [], {
    timeoutMs,
  });
  const open = new Map<number, Sketch>();
  let visitors = 0;
  for (const [day, closed, bytes] of rows) {
    if (day === null || bytes === null) visitors += Number(closed ?? 0);
    else {
      const sketch = open.get(day) ?? new Sketch();
      sketch.merge(readSketch(bytes));
      open.set(day, sketch);
    }
  }
  for (const sketch of open.values()) visitors += sketch.estimate();
  return visitors;
}
