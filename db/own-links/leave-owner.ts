import type { Mysql } from '../mysql/mysql.ts';
import type { PictureType } from '../urls/image-facts.ts';
import { knownRules, parseRules } from '../urls/link-rules.ts';
import { CHANGED_BY, toLinkEvents, type WantsEvents } from '../outbox/link-events.ts';

/** Links of an account that ends. */
export interface Leaving {
  readonly userId: bigint;
  /** Some of its links, or of its places in the list: see {@link listPlaces}. */
  readonly links: readonly LeavingLink[];
  /** 32 hex digits, new for every call. */
  readonly changeId: string;
}

export interface LeavingLink {
  readonly slot: number;
  readonly key: string;
  /** Absent: it is no image that this program knows. */
  readonly imageType?: PictureType;
}

/** Up to `count` of the links in an owner's list. @throws StoreUnavailableError: the read may be repeated */
export async function listPlaces(
  db: Mysql,
  userId: bigint,
  { count, timeoutMs }: { count: number; timeoutMs: number },
): Promise<LeavingLink[]> {
  const found = await db.queryArrays<[number, string, string | null]>(
    `SELECT o.slot, o.unique_id, IF(u.ruled_url LIKE 'image:%', u.rules, NULL)
     FROM owned o LEFT JOIN urls u ON u.slot = o.slot AND u.unique_id = o.unique_id
     WHERE o.user_id = ? LIMIT ?`,
    [userId, count],
    { timeoutMs },
  );
  return found.map(([slot, key, rules]) => {
    const type = rules === null ? undefined : knownRules(parseRules(rules)).image?.type;
    return { slot, key, ...(type !== undefined && { imageType: type }) };
  });
}

/**
 * Deletes links of an owner. They stay in his list, so that they are found again until all mappers have heard
 * of it. It is a change of each link that lives, with an event if the owner wants them. It may be repeated at
 * any time.
 * @throws OutcomeUnknownError, StoreUnavailableError: repeat it, with a new `changeId`
 */
export async function deleteOwned(
  db: Mysql,
  { userId, links, changeId }: Leaving,
  { wantsEvents, timeoutMs }: { wantsEvents: WantsEvents; timeoutMs: number },
): Promise<void> {
  const keys = toPairs(links);
  const id = Buffer.from(changeId, 'hex');
  const isEventWanted = wantsEvents(userId);
  await db.transact(
    [
      `UPDATE urls SET deleted_at = UTC_TIMESTAMP(3), version = version + 1, changed_by = ?,
         updated_at = UTC_TIMESTAMP(3)
       WHERE (slot, unique_id) IN (?) AND user_id = ? AND deleted_at IS NULL`,
      `INSERT INTO deletions (deleted_at, slot, unique_id)
       SELECT u.deleted_at, u.slot, u.unique_id FROM urls u
       WHERE (u.slot, u.unique_id) IN (?) AND u.changed_by = ? AND u.deleted_at IS NOT NULL
       ON DUPLICATE KEY UPDATE deletions.slot = VALUES(slot)`,
      ...(isEventWanted ? [toLinkEvents('link.deleted', CHANGED_BY)] : []),
    ],
    [id, keys, userId, keys, id, ...(isEventWanted ? [keys, id] : [])],
    { timeoutMs },
  );
}

/**
 * Takes links away from their owner: their places in the list and their tags go. It is a change of each link.
 * It may be repeated at any time.
 * @param isDeleting only links that are deleted. One that was restored meanwhile stays in the list
 * @throws OutcomeUnknownError, StoreUnavailableError: repeat it, with a new `changeId`
 */
export async function releaseOwned(
  db: Mysql,
  { userId, links, changeId, isDeleting }: Leaving & { readonly isDeleting: boolean },
  timeoutMs: number,
): Promise<void> {
  const keys = toPairs(links);
  // A place whose link has another owner, or none, is of no use to anybody, and goes as well.
  const isLeft = (
    alias: string,
  ): string => `${alias}.user_id = ? AND (${alias}.slot, ${alias}.unique_id) IN (?)
    AND NOT EXISTS (SELECT 1 FROM urls u
      WHERE u.slot = ${alias}.slot AND u.unique_id = ${alias}.unique_id AND u.user_id = ${alias}.user_id)`;
  await db.transact(
    [
      `UPDATE urls SET user_id = NULL, version = version + 1, changed_by = ?, updated_at = UTC_TIMESTAMP(3)
       WHERE (slot, unique_id) IN (?) AND user_id = ? ${isDeleting ? 'AND deleted_at IS NOT NULL' : ''}`,
      `DELETE t FROM link_tags t WHERE ${isLeft('t')}`,
      `DELETE o FROM owned o WHERE ${isLeft('o')}`,
    ],
    [Buffer.from(changeId, 'hex'), keys, userId, userId, keys, userId, keys],
    { timeoutMs },
  );
}

function toPairs(links: readonly LeavingLink[]): [number, string][] {
  return links.map(({ slot, key }) => [slot, key]);
}
