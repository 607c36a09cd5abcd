import { monotonicMs } from '../../runtime/clock.ts';
import { StoreUnavailableError } from '../store-errors.ts';
import type { Mysql } from './mysql.ts';

/** A MySQL server as it describes itself. It is another one after a takeover at the same address. */
export interface ServerIdentity {
  /** `@@hostname` */
  readonly host: string;
  readonly port: number;
  readonly serverId: number;
  /** When its process started, by its own clock: Unix time in seconds. Two readings differ by 2 s at most. */
  readonly startedS: number;
}

/** The columns of {@link IdentityRow}, for a SELECT that reads other things as well. */
export const IDENTITY_COLUMNS =
  '@@hostname AS host, @@port AS port, @@server_id AS server_id, UNIX_TIMESTAMP() AS now_s';

export interface IdentityRow {
  readonly host: string;
  readonly port: number;
  readonly server_id: number;
  readonly now_s: number;
}

/** The uptime is in whole seconds. After a longer pause the start time would read more than 2 s too early. */
const MAX_BETWEEN_MS = 1_900;

/**
 * Reads when the server started, which no column says on every product, and completes its identity.
 *
 * Call it directly after the SELECT: a restart between the two statements shows as a new start time beside
 * older columns, and not the other way round.
 * @param sentMs when the SELECT was sent, by `monotonicMs()`
 * @throws StoreUnavailableError also when the answers were too slow to tell the start time
 */
export async function completeIdentity(
  db: Mysql,
  { host, port, server_id: serverId, now_s: nowS }: IdentityRow,
  sentMs: number,
): Promise<ServerIdentity> {
  const [uptime] = await db.queryArrays<[string, string]>("SHOW GLOBAL STATUS LIKE 'Uptime'");
  if (monotonicMs() - sentMs > MAX_BETWEEN_MS)
    throw new StoreUnavailableError(db.name, `no answer about itself within ${MAX_BETWEEN_MS} ms`);
  return { host, port, serverId, startedS: uptime === undefined ? 0 : nowS - Number(uptime[1]) };
}
