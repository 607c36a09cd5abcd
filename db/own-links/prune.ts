import type { Mysql } from '../mysql/mysql.ts';
import { RESTORABLE_FROM } from './read-links.ts';

/** A link that was deleted so long ago that it cannot be restored. */
export interface DeletedLink {
  readonly deletedAt: Date;
  readonly slot: number;
  readonly key: string;
}

/**
 * Up to `count` links that can be pruned, from the one that was deleted first.
 * @param after the last link of the call before; undefined: from the first on
 * @throws StoreUnavailableError: the read may be repeated
 */
export async function listPrunable(
  db: Mysql,
  after: DeletedLink | undefined,
  { count, timeoutMs }: { count: number; timeoutMs: number },
): Promise<DeletedLink[]> {
  const behind =
    after === undefined ? '' : 'AND (deleted_at, slot, unique_id) > (?, ?, ?) AND deleted_at >= ?';
  const place = after === undefined ? [] : [after.deletedAt, after.slot, after.key, after.deletedAt];
  const found = await db.queryArrays<[Date, number, string]>(
    `SELECT deleted_at, slot, unique_id FROM deletions WHERE deleted_at <= ${RESTORABLE_FROM} ${behind}
     ORDER BY deleted_at, slot, unique_id LIMIT ?`,
    [...place, count],
    { timeoutMs },
  );
  return found.map(([deletedAt, slot, key]) => ({ deletedAt, slot, key }));
}

/**
 * Clears links that were deleted so long ago that they cannot be restored: target, title, rules, tags, and
 * their places in lists. Their rows stay, so that their keys are never free. Their clicks can be many rows,
 * so a job deletes them later, bit by bit (db/clicks/forget-clicks.ts).
 *
 * A link whose time is over can never be restored, so nothing changes it between the two requests; each
 * statement checks the time again all the same. It may be repeated at any time, and run twice at once.
 *
 * @throws OutcomeUnknownError, StoreUnavailableError: repeat it later
 */
export async function pruneLinks(db: Mysql, links: readonly DeletedLink[], timeoutMs: number): Promise<void> {
  const keys = links.map(({ slot, key }) => [slot, key]);
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
}
