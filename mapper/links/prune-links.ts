import type { OwnLinksDb } from '../../db/own-links/own-links-db.ts';
import type { Log } from '../../runtime/log.ts';
import { Unhurried } from '../../runtime/pace.ts';
import type { OwnLinksServer } from './own-links-server.ts';

/** Links in one transaction: some 10 ms of work for the server. */
const LINKS_AT_ONCE = 50;

/** Prunes all servers that take changes, one after another. Never rejects. */
export async function pruneAll(
  servers: readonly OwnLinksServer[],
  signal: AbortSignal,
  log: Log,
): Promise<void> {
  for (const { db, isWritable } of servers) {
    if (!isWritable()) continue;
    try {
      const links = await pruneServer(db, signal);
      if (links > 0) log.info({ urlsDb: db.name, links }, 'links that were deleted long ago were cleared');
    } catch (error) {
      if (signal.aborted) return;
      log.debug({ error, urlsDb: db.name }, 'deleted links could not be cleared; next attempt in an hour');
    }
  }
}

/** In small pieces with rests, so that requests do not wait. @returns how many links were cleared */
async function pruneServer(db: OwnLinksDb, signal: AbortSignal): Promise<number> {
  const pace = new Unhurried(() => false, signal);
  let links = 0;
  for (;;) {
    const found = await pace.piece(async () => db.prune(LINKS_AT_ONCE));
    links += found;
    if (found < LINKS_AT_ONCE) return links;
  }
}
