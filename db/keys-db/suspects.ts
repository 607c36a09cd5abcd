import type { Mysql } from '../mysql.ts';
import { settle } from './settle.ts';

const IDS_PER_STATEMENT = 5_000;

/** Remembers keys that were found nowhere; those known already keep the time they were first seen (the database's clock). */
export async function recordSuspects(db: Mysql, ids: readonly number[]): Promise<void> {
  for (let at = 0; at < ids.length; at += IDS_PER_STATEMENT) {
    const rows = ids.slice(at, at + IDS_PER_STATEMENT).map((id) => `(${id},UTC_TIMESTAMP(3))`);
    const sql = `INSERT INTO suspects (id, first_seen) VALUES ${rows.join(',')} ON DUPLICATE KEY UPDATE suspects.id = suspects.id`;
    await settle(() => db.execute(sql));
  }
}

/** Forgets suspects that were found after all. */
export async function clearSuspects(db: Mysql, ids: readonly number[]): Promise<void> {
  for (let at = 0; at < ids.length; at += IDS_PER_STATEMENT) {
    const some = ids.slice(at, at + IDS_PER_STATEMENT);
    await settle(() => db.execute('DELETE FROM suspects WHERE id IN (?)', [some]));
  }
}

/** Suspects first seen at least `quarantineMs` ago, smallest id first. */
export async function dueSuspects(db: Mysql, quarantineMs: number, limit = 10_000): Promise<number[]> {
  const rows = await db.queryArrays<[number]>(
    'SELECT id FROM suspects WHERE first_seen <= UTC_TIMESTAMP(3) - INTERVAL ? MICROSECOND ORDER BY id LIMIT ?',
    [quarantineMs * 1_000, limit],
  );
  return rows.map(([id]) => id);
}

/** Suspects with an id in the range, both ends included. */
export async function suspectsBetween(db: Mysql, firstId: number, lastId: number): Promise<number[]> {
  const sql = 'SELECT id FROM suspects WHERE id BETWEEN ? AND ? ORDER BY id';
  const rows = await db.queryArrays<[number]>(sql, [firstId, lastId]);
  return rows.map(([id]) => id);
}
