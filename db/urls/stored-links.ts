import { chunksOf } from '../mysql/chunks.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { whereKeys } from './link-targets.ts';
import type { StoredLink } from './link.ts';

/** A position in the order of the primary key. */
export interface LinkPosition {
  readonly slot: number;
  readonly key: string;
}

/** A link on a walk over all of them. */
export interface WalkedLink extends LinkPosition {
  readonly isAlias: boolean;
}

/** Keys per statement. Above 1,000 MariaDB would turn the list into a join. */
const KEYS_PER_READ = 500;
const WALK_TIMEOUT_MS = 10_000;

interface Row {
  unique_id: string;
  target: string | null;
  created_at: Date;
  expires_at: Date | null;
  request_id: Buffer;
  deleted_at: Date | null;
}

/** The rows that exist, tombstones included, in no particular order. */
export async function findLinks(
  db: Mysql,
  keys: readonly string[],
  timeoutMs: number,
): Promise<StoredLink[]> {
  const target = 'COALESCE(original_url, ruled_url) AS target';
  const columns = `unique_id, ${target}, created_at, expires_at, request_id, deleted_at`;
  const links: StoredLink[] = [];
  for (const some of chunksOf(keys, KEYS_PER_READ)) {
    const sql = `SELECT ${columns} FROM urls WHERE ${whereKeys(some)}`;
    const rows = await db.query<Row>(sql, [], { timeoutMs });
    for (const row of rows) links.push(toLink(row));
  }
  return links;
}

/** Which of `keys` have a row. Tombstones count. */
export async function existingKeys(
  db: Mysql,
  keys: readonly string[],
  timeoutMs: number,
): Promise<Set<string>> {
  const found = new Set<string>();
  for (const some of chunksOf(keys, KEYS_PER_READ)) {
    const sql = `SELECT unique_id FROM urls WHERE ${whereKeys(some)}`;
    const rows = await db.queryArrays<[string]>(sql, [], { timeoutMs });
    for (const [key] of rows) found.add(key);
  }
  return found;
}

/** Up to `count` links in the order of the primary key, starting after `position`. */
export async function linksAfter(
  db: Mysql,
  position: LinkPosition | undefined,
  count: number,
): Promise<WalkedLink[]> {
  const after = position === undefined ? 'TRUE' : '(slot = ? AND unique_id > ?) OR slot > ?';
  const params = position === undefined ? [] : [position.slot, position.key, position.slot];
  const sql = `SELECT slot, unique_id, alias FROM urls WHERE ${after} ORDER BY slot, unique_id LIMIT ?`;
  const rows = await db.queryArrays<[number, string, number]>(sql, [...params, count], {
    timeoutMs: WALK_TIMEOUT_MS,
  });
  return rows.map(([slot, key, alias]) => ({ slot, key, isAlias: alias === 1 }));
}

/** Whether any link is stored. */
export async function hasLinks(db: Mysql): Promise<boolean> {
  return (await db.query('SELECT 1 AS found FROM urls LIMIT 1')).length > 0;
}

function toLink(row: Row): StoredLink {
  return {
    key: row.unique_id,
    longUrl: row.target,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    requestId: row.request_id.toString('hex'),
    deletedAt: row.deleted_at,
  };
}
