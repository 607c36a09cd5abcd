import { crc32 } from 'node:zlib';
import type { Mysql } from '../mysql/mysql.ts';
import { Sketch } from './sketch.ts';
import { toSqlDay } from './sql-times.ts';
import { readSketch } from './stored-sketches.ts';
import { isOneOf, type SubjectKind } from './subject.ts';

/**
 * Makes old clicks smaller: hours become days, sketches of visitors become numbers, and each month that is
 * over is summed beside its days.
 *
 * Each subject and step is one transaction, sent in one request, which begins by locking the rows that it
 * replaces. So a process that dies has done all of it or nothing, and two that do the same at the same time
 * do it once. `db` needs REPEATABLE READ: then no flush can add a row between those that are summed.
 */
export interface RollUpOptions {
  readonly db: Mysql;
  readonly kind: SubjectKind;
  /** As from `toId` of the kind. Some hundreds at most. */
  readonly ids: readonly string[];
  /** Full days since 1970 in UTC, by the clock of the server. */
  readonly today: number;
}

/**
 * Hours are kept for so many days before today. That are two more than we promise: 90 days ago may have begun
 * the day before in a zone, and today may not have come there yet.
 */
const HOUR_DAYS = 92;
/** A day or month is closed so many days after its end: what is counted later is rare, and possible. */
export const CLOSING_DAYS = 2;
/** For one piece. The lease of a job is longer. */
export const PIECE_TIMEOUT_MS = 30_000;

/** Moves old hours into days. */
export async function rollUpHours({ db, kind, ids, today }: RollUpOptions): Promise<void> {
  const { prefix, id: columns, name } = kind;
  const isOld = `hour < ${toSqlDay(today - HOUR_DAYS)}`;
  const found = await db.queryArrays<[string]>(
    `SELECT DISTINCT ${name} FROM ${prefix}_hours WHERE ${isOneOf(kind, ids)} AND ${isOld}`,
    [],
    { timeoutMs: PIECE_TIMEOUT_MS },
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
      { timeoutMs: PIECE_TIMEOUT_MS },
    );
  }
}

/**
 * Counts the visitors of closed days, and forgets their sketches. Sketches that are stored still later are of
 * a server that was away: their visitors are added, though some may be counted already.
 */
export async function closeVisitorDays({ db, kind, ids, today }: RollUpOptions): Promise<void> {
  const { prefix, id: columns, name } = kind;
  const found = await db.queryArrays<SketchRow>(
    `SELECT ${name}, DATE_FORMAT(day, '%Y-%m-%d'), sketch, source FROM ${prefix}_visitors
     WHERE ${isOneOf(kind, ids)} AND day < ${toSqlDay(today - CLOSING_DAYS)}
     ORDER BY ${columns}, day, source LIMIT ${MAX_SKETCHES}`,
    [],
    { timeoutMs: PIECE_TIMEOUT_MS },
  );
  const days = [...Map.groupBy(found, ([subject, date]) => `${kind.toId(subject)} ${date}`).values()];
  const isFull = found.length === MAX_SKETCHES;
  // The sketches of the last day may be incomplete.
  for (const rows of isFull ? days.slice(0, -1) : days) await closeVisitorDay(db, kind, [rows]);
  if (!isFull) return;
  const [first] = days;
  if (days.length === 1 && first !== undefined) {
    const isClosed = await closeVisitorDay(db, kind, readFurther(db, kind, first));
    if (!isClosed) return;
  }
  await closeVisitorDays({ db, kind, ids, today });
}

/**
 * All sketches of a day that has more than one page of them: each start of a process on that day has left
 * one.
 * @param page the first page
 */
async function* readFurther(
  db: Mysql,
  kind: SubjectKind,
  page: readonly SketchRow[],
): AsyncGenerator<readonly SketchRow[]> {
  const [subject, date] = page[0] as SketchRow;
  for (let rows = page; rows.length > 0;) {
    yield rows;
    rows = await db.queryArrays<SketchRow>(
      `SELECT ${kind.name}, DATE_FORMAT(day, '%Y-%m-%d'), sketch, source FROM ${kind.prefix}_visitors
       WHERE ${isOneOf(kind, [kind.toId(subject)])} AND day = '${date}' AND source > ?
       ORDER BY source LIMIT ${MAX_SKETCHES}`,
      [(rows.at(-1) as SketchRow)[3]],
      { timeoutMs: PIECE_TIMEOUT_MS },
    );
  }
}

type SketchRow = [subject: string, date: string, sketch: Buffer, source: string];

/** Some megabytes. */
const MAX_SKETCHES = 2_000;

/**
 * @param pages all rows of one subject and day
 * @returns whether it is closed now. If not, others have changed it meanwhile.
 */
async function closeVisitorDay(
  db: Mysql,
  kind: SubjectKind,
  pages: Iterable<readonly SketchRow[]> | AsyncIterable<readonly SketchRow[]>,
): Promise<boolean> {
  let first: SketchRow | undefined;
  const all = new Sketch();
  let [count, crcs] = [0, 0];
  for await (const rows of pages) {
    first ??= rows[0];
    for (const [, , sketch] of rows) {
      all.merge(readSketch(sketch));
      count += 1;
      crcs += crc32(sketch);
    }
  }
  if (first === undefined) return false;
  const { prefix, id: columns } = kind;
  const id = kind.toId(first[0]);
  const day = `'${first[1]}'`;
  const stored = `${prefix}_visitors WHERE ${isOneOf(kind, [id])} AND day = ${day}`;
  const [, , deleted = 0] = await db.transact(
    [
      // Only if nobody has changed them since they were read. What is left is closed by the next round.
      `SELECT COUNT(*) = ${count} AND SUM(CRC32(sketch)) = ${crcs} INTO @is_same
       FROM ${stored} FOR UPDATE`,
      `INSERT INTO ${prefix}_visitor_days (${columns}, day, visitors)
       SELECT ${id}, ${day}, ${all.estimate()} FROM DUAL WHERE @is_same
       ON DUPLICATE KEY UPDATE visitors = visitors + VALUES(visitors)`,
      `DELETE FROM ${stored} AND @is_same`,
    ],
    [],
    { timeoutMs: PIECE_TIMEOUT_MS },
  );
  return deleted > 0;
}
