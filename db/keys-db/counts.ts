import type { Mysql } from '../mysql/mysql.ts';
import { readOwnership } from './ownership.ts';

/** Keys above a claim mark, and keys up to it: ids minus the recorded gaps, without a scan of the keys. */
export async function countsAt(db: Mysql, mark: number): Promise<{ unused: number; used: number }> {
  const { generatedTo } = await readOwnership(db);
  const [row] = await db.queryArrays<[number, number]>(
    'SELECT COUNT(CASE WHEN id <= ? THEN 1 END), COUNT(CASE WHEN id > ? THEN 1 END) FROM gaps WHERE id <= ?',
    [mark, mark, generatedTo],
  );
  const [below = 0, above = 0] = row ?? [];
  return { unused: generatedTo - mark - above, used: mark - below };
}

/** Keys not yet claimed and keys claimed so far; see {@link countsAt}. */
export async function countsNow(db: Mysql): Promise<{ unused: number; used: number }> {
  return countsAt(db, (await readOwnership(db)).claimedTo);
}

/** Keys claimed again so far, in batches of kind `recycled`. */
export async function recycledCount(db: Mysql): Promise<number> {
  const [row] = await db.queryArrays<[number]>(
    "SELECT CAST(COALESCE(SUM(size), 0) AS UNSIGNED) FROM batches WHERE kind = 'recycled'",
  );
  return row?.[0] ?? 0;
}
