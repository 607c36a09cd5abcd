import type { Mysql } from '../mysql/mysql.ts';
import { conditionOf } from './link-conditions.ts';
import { targetHash, type OwnLink } from './own-link.ts';
import { LINK_COLUMNS, toOwnLink, type LinkColumns } from './read-links.ts';

/** A link, and the request that made it. */
export interface MadeLink extends OwnLink {
  /** 32 hex digits. */
  readonly requestId: string;
}

/**
 * Reads the newest links of an owner to a target, without their tags: of the newest `count`, those that are
 * followed. One range of an index finds them.
 * @param longUrl compared byte by byte
 * @throws StoreUnavailableError: the read may be repeated
 */
export async function readLinksTo(
  db: Mysql,
  { userId, longUrl, count }: { readonly userId: bigint; readonly longUrl: string; readonly count: number },
  timeoutMs: number,
): Promise<MadeLink[]> {
  const [isActive, params] = conditionOf({ state: 'active' });
  const sql = `SELECT ${LINK_COLUMNS}, u.request_id
    FROM (SELECT unique_id, slot FROM owned WHERE user_id = ? AND target_hash = ?
          ORDER BY created_at DESC, unique_id DESC LIMIT ?) o
    JOIN urls u ON u.slot = o.slot AND u.unique_id = o.unique_id AND u.user_id = ?
      AND COALESCE(u.original_url, u.ruled_url) = ? AND ${isActive}
      AND (u.visits_left IS NULL OR u.visits_left > 0)`;
  const rows = await db.query<LinkColumns & { request_id: Buffer }>(
    sql,
    [userId, targetHash(longUrl), count, userId, longUrl, ...params],
    { timeoutMs },
  );
  return rows.map((row) => ({ ...toOwnLink(row, []), requestId: row.request_id.toString('hex') }));
}
