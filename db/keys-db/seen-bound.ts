import { chunksOf } from '../mysql/chunks.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { IDS_PER_STATEMENT } from './batch.ts';
import { refuseIfFenced } from './refuse-if-fenced.ts';
import { repeatUntilKnown } from './repeat-until-known.ts';

/** The bits of some ranges, one for each id, by the number of the range. A range without a row has none. */
export async function readSeenBound(
  db: Mysql,
  rangeNumbers: readonly number[],
): Promise<Map<number, Uint8Array>> {
  const found = new Map<number, Uint8Array>();
  for (const some of chunksOf(rangeNumbers, RANGES_PER_READ)) {
    const sql = 'SELECT range_number, bits FROM seen_bound WHERE range_number IN (?)';
    for (const [range, bits] of await db.queryArrays<[number, Buffer]>(sql, [some])) found.set(range, bits);
  }
  return found;
}

/** About a megabyte. */
const RANGES_PER_READ = 1_000;

/**
 * Replaces the bits of a range. The one search of a reign adds to them, and nobody takes any away.
 * @throws FencedError
 */
export async function keepSeenBound(
  db: Mysql,
  { epoch, range, bits }: { readonly epoch: number; readonly range: number; readonly bits: Uint8Array },
): Promise<void> {
  const { affectedRows } = await repeatUntilKnown(() =>
    db.execute(
      `INSERT INTO seen_bound (range_number, bits)
       SELECT ?, ? FROM ownership WHERE id = 1 AND epoch = ? FOR UPDATE
       ON DUPLICATE KEY UPDATE bits = VALUES(bits)`,
      [range, Buffer.from(bits), epoch],
    ),
  );
  if (affectedRows === 0) await refuseIfFenced(db, epoch);
}

/** Forgets the bits of ranges that are settled. */
export async function forgetSeenBound(db: Mysql, rangeNumbers: readonly number[]): Promise<void> {
  for (const some of chunksOf(rangeNumbers, IDS_PER_STATEMENT)) {
    await repeatUntilKnown(() => db.execute('DELETE FROM seen_bound WHERE range_number IN (?)', [some]));
  }
}
