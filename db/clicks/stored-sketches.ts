import type { Mysql } from '../mysql/mysql.ts';
import { toSqlText } from '../mysql/driver.ts';
import { Sketch } from './sketch.ts';
import { toDay, toSqlDay } from './sql-times.ts';
import type { SubjectClicks, SubjectKind } from './subject.ts';

/**
 * Adds the visitors that this source has stored before to those of a flush, and leaves out those of days on
 * which all were stored already. Nobody else writes the rows of a source, so reading them first is safe.
 * @throws StoreUnavailableError
 */
export async function withStoredVisitors(
  db: Mysql,
  kind: SubjectKind,
  { subjects, source, timeoutMs }: { subjects: SubjectClicks[]; source: string; timeoutMs: number },
): Promise<SubjectClicks[]> {
  const places = subjects.flatMap(({ id, visitors }) =>
    visitors.map(({ day }) => `(${id},${toSqlDay(day)},${toSqlText(source)})`),
  );
  if (places.length === 0) return subjects;
  const rows = await db.queryArrays<[string, string, Buffer]>(
    `SELECT ${kind.name}, DATE_FORMAT(day, '%Y-%m-%d'), sketch FROM ${kind.prefix}_visitors
     WHERE (${kind.id}, day, source) IN (${places.join(',')})`,
    [],
    { timeoutMs },
  );
  const stored = new Map(rows.map(([name, date, sketch]) => [`${kind.toId(name)} ${toDay(date)}`, sketch]));
  return subjects.map((subject) => ({
    ...subject,
    visitors: subject.visitors.flatMap(({ day, sketch }) => {
      const before = stored.get(`${subject.id} ${day}`);
      if (before === undefined) return [{ day, sketch }];
      const all = readSketch(before);
      all.merge(sketch);
      // Those who were there before change nothing, and most are: no row has to be written.
      return all.toBytes().equals(before) ? [] : [{ day, sketch: all }];
    }),
  }));
}

/**
 * A stored sketch. One that cannot be read is empty: it must not keep clicks from being stored, or days from
 * being closed.
 */
export function readSketch(bytes: Buffer): Sketch {
  try {
    return Sketch.fromBytes(bytes);
  } catch {
    return new Sketch();
  }
}
