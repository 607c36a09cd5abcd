import type { Mysql } from '../mysql/mysql.ts';

export interface Leaving {
  readonly userId: bigint;
  /** Whether the links are deleted. Otherwise they stay, without an owner. */
  readonly isDeleting: boolean;
  /** 32 hex digits, new for every call. */
  readonly changeId: string;
}

/**
 * Takes up to `count` links away from their owner, whose account ends: their places in the list and their
 * tags go. It is a change of each link. Call it until it returns no key. It may be repeated at any time.
 *
 * @returns the keys of the links that were changed: their mappers must hear of a deletion
 * @throws OutcomeUnknownError, StoreUnavailableError: repeat it, with a new `changeId`
 */
export async function leaveOwner(
  db: Mysql,
  { userId, isDeleting, changeId }: Leaving,
  { count, timeoutMs }: { count: number; timeoutMs: number },
): Promise<string[]> {
  const found = await db.queryArrays<[number, string]>(
    'SELECT slot, unique_id FROM owned WHERE user_id = ? LIMIT ?',
    [userId, count],
    { timeoutMs },
  );
  if (found.length === 0) return [];
  const keys = found.map(([slot, key]) => [slot, key]);
  const id = Buffer.from(changeId, 'hex');
  // A place whose link has another owner, or none, is of no use to anybody, and goes as well.
  const isLeft = (
    alias: string,
  ): string => `${alias}.user_id = ? AND (${alias}.slot, ${alias}.unique_id) IN (?)
    AND NOT EXISTS (SELECT 1 FROM urls u
      WHERE u.slot = ${alias}.slot AND u.unique_id = ${alias}.unique_id AND u.user_id = ${alias}.user_id)`;
  await db.transact(
    [
      `UPDATE urls SET user_id = NULL, version = version + 1, changed_by = ?, updated_at = UTC_TIMESTAMP(3)
         ${isDeleting ? ', deleted_at = COALESCE(deleted_at, UTC_TIMESTAMP(3))' : ''}
       WHERE (slot, unique_id) IN (?) AND user_id = ?`,
      `INSERT INTO deletions (deleted_at, slot, unique_id)
       SELECT u.deleted_at, u.slot, u.unique_id FROM urls u
       WHERE (u.slot, u.unique_id) IN (?) AND u.changed_by = ? AND u.deleted_at IS NOT NULL
       ON DUPLICATE KEY UPDATE deletions.slot = VALUES(slot)`,
      `DELETE t FROM link_tags t WHERE ${isLeft('t')}`,
      `DELETE o FROM owned o WHERE ${isLeft('o')}`,
    ],
    [id, keys, userId, keys, id, userId, keys, userId, keys],
    { timeoutMs },
  );
  return found.map(([, key]) => key);
}
