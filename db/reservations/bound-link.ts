import { slotOf } from '../keyspace/placement.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { parseRules } from '../urls/link-rules.ts';

/** The link that has a key, as far as a reservation must know it. */
export interface BoundLink {
  /** Of the request that made it. */
  readonly requestId: string;
  /** null: it was deleted, and its target was cleared since. */
  readonly longUrl: string | null;
  /** Whether it is followed no more: deleted, expired, disabled, blocked, or no visit is left. */
  readonly isOver: boolean;
  /** Whether it was changed since it was made, in whatever way. */
  readonly isChanged: boolean;
}

interface Row {
  readonly request_id: Buffer;
  readonly long_url: string | null;
  readonly is_over: 0 | 1;
  readonly version: number;
  readonly rules: string | null;
}

/**
 * Reads the link of a key on its primary. Undefined: the key is not bound. Whether it has expired is decided
 * by the clock of the database.
 * @throws StoreUnavailableError: the read may be repeated
 */
export async function readBoundLink(
  db: Mysql,
  key: string,
  timeoutMs: number,
): Promise<BoundLink | undefined> {
  const [row] = await db.query<Row>(
    `SELECT request_id, COALESCE(original_url, ruled_url) AS long_url, rules, version,
       deleted_at IS NOT NULL OR COALESCE(expires_at <= UTC_TIMESTAMP(3), 0) OR COALESCE(visits_left = 0, 0)
         AS is_over
     FROM urls WHERE slot = ? AND unique_id = ?`,
    [slotOf(key), key],
    { timeoutMs },
  );
  if (row === undefined) return undefined;
  const { disabled, blocked } = row.rules === null ? {} : parseRules(row.rules);
  return {
    requestId: row.request_id.toString('hex'),
    longUrl: row.long_url,
    isOver: row.is_over === 1 || disabled !== undefined || blocked !== undefined,
    isChanged: row.version > 1,
  };
}
