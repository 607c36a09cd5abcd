import { chunksOf } from '../mysql/chunks.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { IDS_PER_STATEMENT } from './batch.ts';
import { repeatUntilKnown } from './repeat-until-known.ts';

/** The most suspects that one call of {@link dueSuspects} returns. */
export const MAX_DUE = 10_000;

/**
 * Records keys that are in no store. Known suspects keep the time they were first seen, by the database's
 * clock.
 */
export async function recordSuspects(db: Mysql, ids: readonly number[]): Promise<void> {
  for (const some of chunksOf(ids, IDS_PER_STATEMENT)) {
    const rows = some.map((id) => `(${id},UTC_TIMESTAMP(3))`);
    const sql = `INSERT INTO suspects (id, first_seen) VALUES ${rows.join(',')} ON DUPLICATE KEY UPDATE suspects.id = suspects.id`;
    await repeatUntilKnown(() => db.execute(sql));
  }
}

/** Forgets suspects that were found. */
export async function clearSuspects(db: Mysql, ids: readonly number[]): Promise<void> {
  for (const some of chunksOf(ids, IDS_PER_STATEMENT)) {
    await repeatUntilKnown(() => db.execute('DELETE FROM suspects WHERE id IN (?)', [some]));
  }
}

/** Suspects first seen at least `quarantineMs` ago, smallest id first. */
export async function dueSuspects(db: Mysql, quarantineMs: number, limit = MAX_DUE): Promise<number[]> {
  const rows = await db.queryArrays<[number]>(
    'SELECT id FROM suspects WHERE first_seen <= UTC_TIMESTAMP(3) - INTERVAL ? MICROSECOND ORDER BY id LIMIT ?',
    [quarantineMs * 1_000, limit],
  );
  return rows.map(([id]) => id);
}

/** All suspects up to `lastId`, in order of id. */
export async function readSuspects(db: Mysql, lastId = Number.MAX_SAFE_INTEGER): Promise<number[]> {
  const rows = await db.queryArrays<[number]>('SELECT id FROM suspects WHERE id <= ? ORDER BY id', [lastId]);
  return rows.map(([id]) => id);
}

/** Ids per settled range. Never changes, because it is part of the meaning of the recorded numbers. */
export const SETTLED_RANGE = 10_000;

/**
 * The settled ranges: every key of range n, ids SETTLED_RANGE × n + 1 to SETTLED_RANGE × (n + 1), is bound.
 */
export async function settledRanges(db: Mysql): Promise<number[]> {
  const rows = await db.queryArrays<[number]>(
    'SELECT range_number FROM settled_ranges ORDER BY range_number',
  );
  return rows.map(([number]) => number);
}

/** Records that every key of these ranges is bound, which is permanent. Idempotent. */
export async function recordSettled(db: Mysql, rangeNumbers: readonly number[]): Promise<void> {
  for (const some of chunksOf(rangeNumbers, IDS_PER_STATEMENT)) {
    const rows = some.map((number) => `(${number})`);
    const sql = `INSERT INTO settled_ranges (range_number) VALUES ${rows.join(',')}
      ON DUPLICATE KEY UPDATE settled_ranges.range_number = settled_ranges.range_number`;
    await repeatUntilKnown(() => db.execute(sql));
  }
}
