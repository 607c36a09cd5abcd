import { slotOf } from '../keyspace/placement.ts';
import type { SqlValue } from '../mysql/driver.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { parseRules } from '../urls/link-rules.ts';
import { RESTORABLE_DAYS, type OwnLink } from './own-link.ts';

/** The columns of a link that a list and a change need. The table is called `u`. */
export const LINK_COLUMNS = `u.unique_id, u.slot, CAST(u.user_id AS CHAR) AS user_id,
  COALESCE(u.original_url, u.ruled_url) AS long_url, u.created_at, u.updated_at, u.expires_at, u.title,
  u.rules, u.visits_left, u.deleted_at, u.version, COALESCE(u.changed_by, u.request_id) AS changed_by`;

export interface LinkColumns {
  readonly unique_id: string;
  readonly slot: number;
  readonly user_id: string | null;
  readonly long_url: string | null;
  readonly created_at: Date;
  readonly updated_at: Date | null;
  readonly expires_at: Date | null;
  readonly title: string | null;
  readonly rules: string | null;
  readonly visits_left: number | null;
  readonly deleted_at: Date | null;
  readonly version: number;
  readonly changed_by: Buffer;
}

/** A deleted link has a cut-off time by the clock of the database, which alone decides. */
export const RESTORABLE_FROM = `UTC_TIMESTAMP(3) - INTERVAL ${RESTORABLE_DAYS} DAY`;

/**
 * Reads a link with its tags. One statement reads both, so that version and tags belong together. A link
 * whose target was cleared is nobody's any more, and is not found.
 *
 * With an owner, the link of another is not found. The server compares the owners before it reads tags, so it
 * answers after the same time as for a key without a link.
 * @throws StoreUnavailableError: the read may be repeated
 */
export async function findOwnLink(
  db: Mysql,
  { key, ownerId }: { readonly key: string; readonly ownerId?: bigint | undefined },
  timeoutMs: number,
): Promise<OwnLink | undefined> {
  const [isOwners, owner] = ownerId === undefined ? ['', []] : ['AND u.user_id = ?', [ownerId]];
  const sql = `SELECT ${LINK_COLUMNS}, CONVERT(t.tag USING utf8mb4) AS tag FROM urls u
    LEFT JOIN link_tags t ON t.slot = u.slot AND t.unique_id = u.unique_id
    WHERE u.slot = ? AND u.unique_id = ? ${isOwners}
      AND (u.deleted_at IS NULL OR u.deleted_at > ${RESTORABLE_FROM})
    ORDER BY t.tag`;
  const rows = await db.query<LinkColumns & { tag: string | null }>(sql, [slotOf(key), key, ...owner], {
    timeoutMs,
  });
  const [first] = rows;
  if (first === undefined) return undefined;
  return toOwnLink(
    first,
    rows.flatMap(({ tag }) => (tag === null ? [] : [tag])),
  );
}

/** The tags of links, each link's in their order as text. @throws StoreUnavailableError */
export async function readTags(
  db: Mysql,
  links: readonly { readonly key: string; readonly slot: number }[],
  timeoutMs: number,
): Promise<ReadonlyMap<string, string[]>> {
  const tagsOf = new Map<string, string[]>();
  if (links.length === 0) return tagsOf;
  const sql = `SELECT unique_id, CONVERT(tag USING utf8mb4) FROM link_tags
    WHERE (slot, unique_id) IN (?) ORDER BY link_tags.tag`;
  const pairs: SqlValue = links.map(({ slot, key }) => [slot, key]);
  for (const [key, tag] of await db.queryArrays<[string, string]>(sql, [pairs], { timeoutMs })) {
    const tags = tagsOf.get(key);
    if (tags === undefined) tagsOf.set(key, [tag]);
    else tags.push(tag);
  }
  return tagsOf;
}

/** How often a link was followed. */
export interface ClickSums {
  readonly humans: number;
  readonly bots: number;
}

export const NO_CLICKS: ClickSums = { humans: 0, bots: 0 };

/**
 * How often each link was followed, by its key: totals, which have the visits that an import has brought too,
 * and what processes of earlier releases have counted since it was moved last, all of it as humans. One
 * statement reads both, so nothing that is moved meanwhile is missing or there twice. Links without a click
 * are absent.
 * @throws StoreUnavailableError
 */
export async function readClicks(
  db: Mysql,
  links: readonly { readonly key: string; readonly slot: number }[],
  timeoutMs: number,
): Promise<ReadonlyMap<string, ClickSums>> {
  if (links.length === 0) return new Map();
  const sql = `SELECT unique_id, CAST(SUM(humans) AS UNSIGNED), CAST(SUM(bots) AS UNSIGNED) FROM (
      SELECT unique_id, clicks AS humans, 0 AS bots FROM clicks WHERE (slot, unique_id) IN (?)
      UNION ALL SELECT unique_id, humans, bots FROM click_totals WHERE (slot, unique_id) IN (?)
    ) counted GROUP BY unique_id`;
  const pairs: SqlValue = links.map(({ slot, key }) => [slot, key]);
  const rows = await db.queryArrays<[string, number | string, number | string]>(sql, [pairs, pairs], {
    timeoutMs,
  });
  return new Map(rows.map(([key, humans, bots]) => [key, { humans: Number(humans), bots: Number(bots) }]));
}

export function toOwnLink(row: LinkColumns, tags: readonly string[]): OwnLink {
  return {
    key: row.unique_id,
    slot: row.slot,
    userId: row.user_id === null ? null : BigInt(row.user_id),
    longUrl: row.long_url ?? '',
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    expiresAt: row.expires_at,
    title: row.title,
    tags,
    rules: row.rules === null ? {} : parseRules(row.rules),
    visitsLeft: row.visits_left,
    deletedAt: row.deleted_at,
    version: row.version,
    changedBy: row.changed_by.toString('hex'),
  };
}
