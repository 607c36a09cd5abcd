import type { Log } from '../../runtime/log.ts';
import { Unhurried } from '../../runtime/pace.ts';
import type { ReservationsServer } from './reserved-request.ts';

/** Rows in one statement: some milliseconds of work for the server. */
const ROWS_AT_ONCE = 200;

/**
 * Removes the expired reservations of all servers that take writes, one server after another, in small pieces
 * with rests. Never rejects.
 */
export async function pruneReservations(
  servers: readonly ReservationsServer[],
  signal: AbortSignal,
  log: Log,
): Promise<void> {
  const pace = new Unhurried(() => false, signal);
  for (const { db, isWritable } of servers) {
    let removed = 0;
    try {
      for (let found = ROWS_AT_ONCE; found === ROWS_AT_ONCE && isWritable(); removed += found)
        found = await pace.piece(async () => db.prune(ROWS_AT_ONCE));
    } catch (error) {
      if (signal.aborted) return;
      log.debug({ error, urlsDb: db.name }, 'reservations could not be pruned; next attempt in an hour');
    }
    if (removed > 0) log.info({ urlsDb: db.name, removed }, 'reservations that have expired were removed');
  }
}
