import type { Mysql } from '../mysql/mysql.ts';
import { RESTORABLE_FROM } from './read-links.ts';

/**
 * Clears up to `count` links that were deleted so long ago that they cannot be restored: target, title,
 * rules, tags and clicks, and their places in lists. Their rows stay, so that their keys are never free.
 *
 * A link whose time is over can never be restored, so nothing changes it between the two requests; each
 * statement checks the time again all the same. It may be repeated at any time, and run twice at once.
 *
 * @returns how many links were found; fewer than `count`: there are no more
 * @throws OutcomeUnknownError, StoreUnavailableError: repeat it later
 */
export async function pruneLinks(db: Mysql, count: number, timeoutMs: number): Promise<number> {
  const found = await db.queryArrays<[Date, number, string]>(
    `SELECT deleted_at, slot, unique_id FROM deletions WHERE deleted_at <= ${RESTORABLE_FROM}
     ORDER BY deleted_at, slot, unique_id LIMIT ?`,
    [count],
    { timeoutMs },
  );
  if (found.length === 0) return 0;
  const keys = found.map(([, slot, key]) => [slot, key]);
  const pruned = (alias: string): string => `(${alias}.slot, ${alias}.unique_id) IN (?) AND EXISTS (
    SELECT 1 FROM urls u WHERE u.slot = ${alias}.slot AND u.unique_id = ${alias}.unique_id
    AND u.deleted_at <= ${RESTORABLE_FROM})`;
  await db.transact(
    [
      `SELECT 1 FROM urls WHERE (slot, unique_id) IN (?) ORDER BY slot, unique_id FOR UPDATE`,
      `DELETE o FROM owned o JOIN urls x ON x.user_id = o.user_id AND x.created_at = o.created_at
         AND x.unique_id = o.unique_id WHERE (x.slot, x.unique_id) IN (?) AND x.deleted_at <= ${RESTORABLE_FROM}`,
      `DELETE t FROM link_tags t WHERE ${pruned('t')}`,
      `DELETE c FROM clicks c WHERE ${pruned('c')}`,
      `DELETE d FROM deletions d WHERE d.deleted_at <= ${RESTORABLE_FROM} AND (d.slot, d.unique_id) IN (?)`,
      `UPDATE urls SET original_url = NULL, ruled_url = NULL, title = NULL, rules = NULL, visits_left = NULL
       WHERE (slot, unique_id) IN (?) AND deleted_at <= ${RESTORABLE_FROM}`,
    ],
    [keys, keys, keys, keys, keys, keys],
    { timeoutMs },
  );
  return found.length;
}
