import type { Mysql } from '../mysql/mysql.ts';
import { fenced } from '../store-errors.ts';

/**
 * For a statement that is conditional on the epoch and changed no row: the reign is over, or the row had
 * these values already.
 * @throws FencedError when another reign has begun
 */
export async function refuseIfFenced(db: Mysql, epoch: number): Promise<void> {
  const [row] = await db.query('SELECT 1 FROM ownership WHERE id = 1 AND epoch = ?', [epoch]);
  if (!row) throw fenced(db, epoch);
}
