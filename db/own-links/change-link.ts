import type { SqlValue } from '../mysql/driver.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { FORGET_CHANGE, toLinkEvents, type WantsEvents } from '../outbox/link-events.ts';
import { formatRules, knownRules, type LinkRules } from '../urls/link-rules.ts';
import { hasSameTags, targetHash, type LinkChange, type OwnLink } from './own-link.ts';
import { RESTORABLE_FROM } from './read-links.ts';

/** A statement and its parameters. */
type Statement = readonly [sql: string, params: readonly SqlValue[]];

/**
 * Changes a link if it still is as `link` was read: the row carries the version that the change expects.
 *
 * All statements are one transaction. The first one changes the row, or does nothing when the version is
 * another one. The others must then do nothing too, so each has the condition that the last change of the row
 * is this one. (Without it, a change that came too late still wrote its tags: measured.) The same transaction
 * may be repeated under the same `changeId`. If the events of the owner are wanted, the last statement writes
 * one.
 *
 * @param changeId 32 hex digits, random, new for every change
 * @returns whether the row had the expected version
 * @throws OutcomeUnknownError read the link to learn whether `changedBy` is `changeId`; StoreUnavailableError
 *   nothing was written
 */
export async function changeLink(
  db: Mysql,
  { link, change, changeId }: { link: OwnLink; change: LinkChange; changeId: string },
  { wantsEvents, timeoutMs }: { wantsEvents: WantsEvents; timeoutMs: number },
): Promise<boolean> {
  const id = Buffer.from(changeId, 'hex');
  const changing = toStatements(link, change, id);
  const isEventWanted = link.userId !== null && wantsEvents(link.userId);
  const forget: Statement = [FORGET_CHANGE, []];
  const statements = isEventWanted ? [forget, ...changing, toEvent(link, change, id)] : changing;
  const affected = await db.transact(
    statements.map(([sql]) => sql),
    statements.flatMap(([, params]) => params),
    { timeoutMs },
  );
  return affected[isEventWanted ? 1 : 0] === 1;
}

function toStatements(link: OwnLink, change: LinkChange, changeId: Buffer): Statement[] {
  if (change.kind === 'edit') return edit(link, change, changeId);
  return change.kind === 'delete' ? remove(link, changeId) : restore(link, changeId);
}

function toEvent(link: OwnLink, { kind }: LinkChange, changeId: Buffer): Statement {
  const choice = `u.slot = ? AND u.unique_id = ? AND u.changed_by = ? AND u.version = LAST_INSERT_ID()`;
  return [
    toLinkEvents(kind === 'delete' ? 'link.deleted' : 'link.updated', choice),
    [link.slot, link.key, changeId],
  ];
}

const IS_OURS = 'slot = ? AND unique_id = ? AND changed_by = ?';
const EXISTS_OURS = `EXISTS (SELECT 1 FROM urls u WHERE u.slot = ? AND u.unique_id = ? AND u.changed_by = ?)`;

function update(link: OwnLink, changeId: Buffer, [set, params]: Statement, condition: string): Statement {
  return [
    `UPDATE urls SET ${set}, version = LAST_INSERT_ID(version + 1), changed_by = ?, updated_at = UTC_TIMESTAMP(3)
     WHERE slot = ? AND unique_id = ? AND version = ? AND ${condition}`,
    [...params, changeId, link.slot, link.key, link.version],
  ];
}

function remove(link: OwnLink, changeId: Buffer): Statement[] {
  return [
    update(link, changeId, ['deleted_at = UTC_TIMESTAMP(3)', []], 'deleted_at IS NULL'),
    [
      `INSERT INTO deletions (deleted_at, slot, unique_id)
       SELECT deleted_at, slot, unique_id FROM urls WHERE ${IS_OURS} AND deleted_at IS NOT NULL
       ON DUPLICATE KEY UPDATE deletions.slot = VALUES(slot)`,
      [link.slot, link.key, changeId],
    ],
    markTags(link, 1, changeId),
  ];
}

function restore(link: OwnLink, changeId: Buffer): Statement[] {
  return [
    update(link, changeId, ['deleted_at = NULL', []], `deleted_at > ${RESTORABLE_FROM}`),
    [
      `DELETE FROM deletions WHERE deleted_at = ? AND slot = ? AND unique_id = ? AND ${EXISTS_OURS}`,
      [link.deletedAt, link.slot, link.key, link.slot, link.key, changeId],
    ],
    markTags(link, 0, changeId),
  ];
}

function edit(
  link: OwnLink,
  { state, mostVisitsLeft }: LinkChange & { kind: 'edit' },
  changeId: Buffer,
): Statement[] {
  const { longUrl, expiresAt, title } = state;
  const [text, set, values] = writeRules(link.rules, state.rules);
  // Assigned after the rules have set it. NULL, without a limit, stays NULL.
  const [setMost, most] =
    mostVisitsLeft === undefined ? ['', []] : [', visits_left = LEAST(visits_left, ?)', [mostVisitsLeft]];
  const columns: Statement = [
    `original_url = ?, ruled_url = ?, expires_at = ?, title = ?, ${set}${setMost}`,
    [text === null ? longUrl : null, text === null ? null : longUrl, expiresAt, title, ...values, ...most],
  ];
  // The target of a link that can be restored no more is cleared, and must not come back.
  const isThere = link.deletedAt === null ? 'deleted_at IS NULL' : `deleted_at > ${RESTORABLE_FROM}`;
  const statements = [update(link, changeId, columns, isThere)];
  const { userId } = link;
  if (userId === null) return statements;
  if (longUrl !== link.longUrl) statements.push(moveTarget(link, userId, longUrl, changeId));
  if (!hasSameTags(state, link)) statements.push(...replaceTags(link, state.tags, changeId));
  return statements;
}

/**
 * Sets the rules, and how many visits are left if their limit changes.
 *
 * What is left changes by the difference, in SQL: visits are counted at the same time, and do not change the
 * version of a link. (Set to a number that was read, it gave four visits of three: modelled.) If more visits
 * have happened than are allowed now, nothing is left, and the rules record by how many, so that a later
 * increase does not give them again. The server evaluates assignments from left to right.
 *
 * @returns the rules as they are stored, but for that record; null: it is a plain link
 */
function writeRules(before: LinkRules, after: LinkRules): [text: string | null, ...Statement] {
  if (after.maxVisits === before.maxVisits) {
    const text = formatRules(after);
    return [text, 'rules = ?', [text]];
  }
  const { overdrawn: _, ...rules } = after;
  const text = formatRules(rules);
  if (rules.maxVisits === undefined || text === null) return [text, 'rules = ?, visits_left = NULL', [text]];
  const { maxVisits: limit, overdrawn = 0 } = knownRules(before);
  if (limit === undefined) return [text, 'rules = ?, visits_left = ?', [text, rules.maxVisits]];
  const left = 'CAST(COALESCE(visits_left, 0) AS SIGNED) + ?';
  const more = rules.maxVisits - limit - overdrawn;
  return [
    text,
    `rules = IF(${left} < 0, CONCAT(?, ',"overdrawn":', -(${left}), '}'), ?),
     visits_left = GREATEST(${left}, 0)`,
    [more, text.slice(0, -1), more, text, more],
  ];
}

/**
 * How many visits {@link changeLink} leaves if none happened since `link` was read. null: without a limit.
 */
export function visitsLeftAfter(
  { rules, visitsLeft }: OwnLink,
  maxVisits: number | undefined,
): number | null {
  if (maxVisits === undefined) return null;
  const { maxVisits: limit, overdrawn = 0 } = knownRules(rules);
  return limit === undefined ? maxVisits : Math.max(0, (visitsLeft ?? 0) + maxVisits - limit - overdrawn);
}

function moveTarget(link: OwnLink, userId: bigint, longUrl: string, changeId: Buffer): Statement {
  return [
    `UPDATE owned SET target_hash = ? WHERE user_id = ? AND created_at = ? AND unique_id = ? AND ${EXISTS_OURS}`,
    [targetHash(longUrl), userId, link.createdAt, link.key, link.slot, link.key, changeId],
  ];
}

function replaceTags(link: OwnLink, tags: readonly string[], changeId: Buffer): Statement[] {
  const ours = [link.slot, link.key, changeId];
  const others = tags.length === 0 ? 'TRUE' : 'tag NOT IN (?)';
  const removal: Statement = [
    `DELETE FROM link_tags WHERE slot = ? AND unique_id = ? AND ${others} AND ${EXISTS_OURS}`,
    [link.slot, link.key, ...(tags.length === 0 ? [] : [tags]), ...ours],
  ];
  if (tags.length === 0) return [removal];
  const rows = tags.map(() => 'SELECT ? AS tag').join(' UNION ALL ');
  return [
    removal,
    [
      `INSERT INTO link_tags (user_id, tag, created_at, unique_id, slot)
       SELECT u.user_id, given.tag, u.created_at, u.unique_id, u.slot FROM urls u JOIN (${rows}) given
       WHERE u.slot = ? AND u.unique_id = ? AND u.changed_by = ?
       ON DUPLICATE KEY UPDATE link_tags.slot = VALUES(slot)`,
      [...tags, ...ours],
    ],
  ];
}

function markTags(link: OwnLink, isDeleted: 0 | 1, changeId: Buffer): Statement {
  return [
    `UPDATE link_tags SET is_deleted = ? WHERE slot = ? AND unique_id = ? AND ${EXISTS_OURS}`,
    [isDeleted, link.slot, link.key, link.slot, link.key, changeId],
  ];
}
