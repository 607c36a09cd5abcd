import type { SqlValue } from '../mysql/driver.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { FORGET_CHANGE, toLinkEvents, type WantsEvents } from '../outbox/link-events.ts';
import { RESTORABLE_DAYS, type OwnLink } from './own-link.ts';
import { RESTORABLE_FROM } from './read-links.ts';

/** A statement and its parameters. */
type Statement = readonly [sql: string, params: readonly SqlValue[]];

const IS_OURS = 'slot = ? AND unique_id = ? AND changed_by = ?';
const EXISTS_OURS = `EXISTS (SELECT 1 FROM urls u WHERE u.slot = ? AND u.unique_id = ? AND u.changed_by = ?)`;

/**
 * Deletes a link for good, if it still is as it was read: its row becomes at once what pruning makes of it a
 * month after its deletion. Nobody finds it to restore it, and its key is never free. The event shows it as
 * it was when it was deleted.
 *
 * As with `changeLink`, all statements are one transaction, the first that changes something has the
 * condition, and the others ask whether the last change is this one. It may be repeated under the same id.
 *
 * @param changeId 32 hex digits, random, new for every change
 * @returns whether the row had the expected version
 * @throws OutcomeUnknownError read the link: it is not found if it was deleted; StoreUnavailableError nothing
 *   was written
 */
export async function purgeLink(
  db: Mysql,
  { link, changeId }: { readonly link: OwnLink; readonly changeId: string },
  { wantsEvents, timeoutMs }: { readonly wantsEvents: WantsEvents; readonly timeoutMs: number },
): Promise<boolean> {
  const id = Buffer.from(changeId, 'hex');
  // The event of a link that was deleted before is there already.
  const isEventWanted = link.userId !== null && link.deletedAt === null && wantsEvents(link.userId);
  const statements: Statement[] = [
    [FORGET_CHANGE, []],
    remove(link, id),
    ...(isEventWanted ? [toEvent(link, id)] : []),
    ...clear(link, id),
  ];
  const affected = await db.transact(
    statements.map(([sql]) => sql),
    statements.flatMap(([, params]) => params),
    { timeoutMs },
  );
  return affected[1] === 1;
}

function remove({ slot, key, version }: OwnLink, id: Buffer): Statement {
  return [
    `UPDATE urls SET deleted_at = UTC_TIMESTAMP(3), version = LAST_INSERT_ID(version + 1), changed_by = ?,
       updated_at = UTC_TIMESTAMP(3)
     WHERE slot = ? AND unique_id = ? AND version = ? AND (deleted_at IS NULL OR deleted_at > ${RESTORABLE_FROM})`,
    [id, slot, key, version],
  ];
}

function toEvent({ slot, key }: OwnLink, id: Buffer): Statement {
  const choice = 'u.slot = ? AND u.unique_id = ? AND u.changed_by = ? AND u.version = LAST_INSERT_ID()';
  return [toLinkEvents('link.deleted', choice), [slot, key, id]];
}

/** What `pruneLinks` clears, but for clicks: a job forgets them later. */
function clear({ slot, key, userId, createdAt, deletedAt }: OwnLink, id: Buffer): Statement[] {
  const ours = [slot, key, id];
  const statements: Statement[] = [];
  if (userId !== null)
    statements.push([
      `DELETE FROM owned WHERE user_id = ? AND created_at = ? AND unique_id = ? AND ${EXISTS_OURS}`,
      [userId, createdAt, key, ...ours],
    ]);
  statements.push([
    `DELETE FROM link_tags WHERE slot = ? AND unique_id = ? AND ${EXISTS_OURS}`,
    [slot, key, ...ours],
  ]);
  if (deletedAt !== null)
    statements.push([
      `DELETE FROM deletions WHERE deleted_at = ? AND slot = ? AND unique_id = ? AND ${EXISTS_OURS}`,
      [deletedAt, slot, key, ...ours],
    ]);
  statements.push([
    `UPDATE urls SET original_url = NULL, ruled_url = NULL, title = NULL, rules = NULL, visits_left = NULL,
       deleted_at = UTC_TIMESTAMP(3) - INTERVAL ${RESTORABLE_DAYS + 1} DAY WHERE ${IS_OURS}`,
    ours,
  ]);
  return statements;
}
