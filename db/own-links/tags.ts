import type { Mysql } from '../mysql/mysql.ts';
import { CHANGED_BY, toLinkEvents, type WantsEvents } from '../outbox/link-events.ts';

/** A tag, and how many links have it. */
export interface TagCount {
  readonly tag: string;
  /** Without deleted links. */
  readonly links: number;
}

/** The tags of one server, read by one statement. */
export interface TagPiece {
  /** The slots that the server records as its own. */
  readonly slots: readonly number[];
  /** In their order as text, byte by byte. */
  readonly tags: readonly TagCount[];
}

/**
 * Counts the links of each tag of an owner, for the next `count` tags after `after`. A union, because to join
 * the slots to the tags takes the server twice as long.
 * @throws StoreUnavailableError: the read may be repeated
 */
export async function countTags(
  db: Mysql,
  { userId, after, count }: { userId: bigint; after: string | undefined; count: number },
  timeoutMs: number,
): Promise<TagPiece> {
  const sql = `SELECT GROUP_CONCAT(slot), NULL, NULL FROM slots WHERE owned = 1
    UNION ALL (SELECT NULL, CONVERT(tag USING utf8mb4), COUNT(*) FROM link_tags
      WHERE user_id = ? AND is_deleted = 0 ${after === undefined ? '' : 'AND tag > ?'}
      GROUP BY tag ORDER BY tag LIMIT ?)`;
  const params = after === undefined ? [userId, count] : [userId, after, count];
  const rows = await db.queryArrays<[string | null, string | null, number | string | null]>(sql, params, {
    timeoutMs,
  });
  return {
    slots: rows.flatMap(([slots]) => (slots ?? '').split(',').filter(Boolean).map(Number)),
    tags: rows.flatMap(([, tag, links]) => (tag === null ? [] : [{ tag, links: Number(links) }])),
  };
}

export interface TagRename {
  readonly userId: bigint;
  readonly from: string;
  /** May be the tag of other links, and of the same ones: then the two tags become one. */
  readonly to: string;
  /** 32 hex digits, new for every call. */
  readonly changeId: string;
}

/**
 * Renames a tag of up to `count` links. It is a change of each of them, as their version counts their tags.
 * Call it until it returns 0. It may be repeated at any time, as each link has either the old tag or the new.
 *
 * One transaction changes the rows first, which locks them. What follows touches only links that this call
 * has changed. At its end it writes an event of each, if the owner wants them.
 *
 * @returns how many links had the tag
 * @throws OutcomeUnknownError, StoreUnavailableError: repeat it, with a new `changeId`
 */
export async function renameTag(
  db: Mysql,
  { userId, from, to, changeId }: TagRename,
  { count, wantsEvents, timeoutMs }: { count: number; wantsEvents: WantsEvents; timeoutMs: number },
): Promise<number> {
  const found = await db.queryArrays<[number, string]>(
    `SELECT t.slot, t.unique_id FROM link_tags t
     JOIN urls u ON u.slot = t.slot AND u.unique_id = t.unique_id AND u.user_id = t.user_id
     WHERE t.user_id = ? AND t.tag = ? LIMIT ?`,
    [userId, from, count],
    { timeoutMs },
  );
  if (found.length === 0) return 0;
  const keys = found.map(([slot, key]) => [slot, key]);
  const id = Buffer.from(changeId, 'hex');
  const ours = `(t.slot, t.unique_id) IN (?) AND EXISTS (SELECT 1 FROM urls u
    WHERE u.slot = t.slot AND u.unique_id = t.unique_id AND u.changed_by = ?)`;
  const params = [id, keys, userId, userId, from, to, userId, from, keys, id, userId, from, keys, id];
  const isEventWanted = wantsEvents(userId);
  await db.transact(
    [
      `UPDATE urls SET version = version + 1, changed_by = ?, updated_at = UTC_TIMESTAMP(3)
       WHERE (slot, unique_id) IN (?) AND user_id = ? AND EXISTS (SELECT 1 FROM link_tags t
         WHERE t.user_id = ? AND t.tag = ? AND t.created_at = urls.created_at AND t.unique_id = urls.unique_id)`,
      `INSERT INTO link_tags (user_id, tag, created_at, unique_id, slot, is_deleted)
       SELECT t.user_id, ?, t.created_at, t.unique_id, t.slot, t.is_deleted FROM link_tags t
       WHERE t.user_id = ? AND t.tag = ? AND ${ours}
       ON DUPLICATE KEY UPDATE link_tags.slot = VALUES(slot)`,
      `DELETE t FROM link_tags t WHERE t.user_id = ? AND t.tag = ? AND ${ours}`,
      ...(isEventWanted ? [toLinkEvents('link.updated', CHANGED_BY)] : []),
    ],
    isEventWanted ? [...params, keys, id] : params,
    { timeoutMs },
  );
  return found.length;
}
