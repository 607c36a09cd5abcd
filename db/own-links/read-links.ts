import { slotOf } from '../keyspace/placement.ts';
import type { SqlValue } from '../mysql/driver.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { parseRules } from '../urls/link-rules.ts';
import { RESTORABLE_DAYS, type OwnLink } from './own-link.ts';

const COLUMNS = {
  unique_id: 'u.unique_id',
  slot: 'u.slot',
  user_id: 'CAST(u.user_id AS CHAR)',
  long_url: 'COALESCE(u.original_url, u.ruled_url)',
  created_at: 'u.created_at',
  updated_at: 'u.updated_at',
  expires_at: 'u.expires_at',
  title: 'u.title',
  rules: 'u.rules',
  visits_left: 'u.visits_left',
  deleted_at: 'u.deleted_at',
  version: 'u.version',
  changed_by: 'COALESCE(u.changed_by, u.request_id)',
};

/** The columns of a link that a list and a change need. The table is called `u`. */
export const LINK_COLUMNS = Object.entries(COLUMNS)
  .map(([name, column]) => `${column} AS ${name}`)
  .join(', ');

/**
 * As many columns, in a row of a union that is no link. They have no names: `ORDER BY created_at` would mean
 * such a column.
 */
export const NO_LINK = Object.keys(COLUMNS)
  .map(() => 'NULL')
  .join(', ');

export interface LinkColumns {
  readonly unique_id: string;
  /** This and other numbers are texts in a union. */
  readonly slot: number | string;
  readonly user_id: string | null;
  readonly long_url: string | null;
  readonly created_at: Date;
  readonly updated_at: Date | null;
  readonly expires_at: Date | null;
  readonly title: string | null;
  readonly rules: string | null;
  readonly visits_left: number | string | null;
  readonly deleted_at: Date | null;
  readonly version: number | string;
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
      AND (u.deleted_at IS NULL OR u.deleted_at > ${RESTORABLE_FROM})`;
  const rows = await db.query<LinkColumns & { tag: string | null }>(sql, [slotOf(key), key, ...owner], {
    timeoutMs,
  });
  const [first] = rows;
  if (first === undefined) return undefined;
  return toOwnLink(first, rows.flatMap(({ tag }) => (tag === null ? [] : [tag])).sort(compareTags));
}

/**
 * The order of tags: that of their bytes as UTF-8. We sort them, because a server that sorts puts the rows
 * with their long texts into a temporary table, which takes it three times as long as to read them.
 */
export function compareTags(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** The tags of links, each link's in their order as text. @throws StoreUnavailableError */
export async function readTags(
  db: Mysql,
  links: readonly { readonly key: string; readonly slot: number }[],
  timeoutMs: number,
): Promise<ReadonlyMap<string, string[]>> {
  const tagsOf = new Map<string, string[]>();
  if (links.length === 0) return tagsOf;
  const sql = `SELECT unique_id, CONVERT(tag USING utf8mb4) FROM link_tags WHERE (slot, unique_id) IN (?)`;
  const pairs: SqlValue = links.map(({ slot, key }) => [slot, key]);
  for (const [key, tag] of await db.queryArrays<[string, string]>(sql, [pairs], { timeoutMs })) {
    const tags = tagsOf.get(key);
    if (tags === undefined) tagsOf.set(key, [tag]);
    else tags.push(tag);
  }
  for (const tags of tagsOf.values()) tags.sort(compareTags);
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
    slot: Number(row.slot),
    userId: row.user_id === null ? null : BigInt(row.user_id),
    longUrl: row.long_url ?? '',
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    expiresAt: row.expires_at,
    title: row.title,
    tags,
    rules: row.rules === null ? {} : parseRules(row.rules),
    visitsLeft: row.visits_left === null ? null : Number(row.visits_left),
    deletedAt: row.deleted_at,
    version: Number(row.version),
    changedBy: row.changed_by.toString('hex'),
  };
}
