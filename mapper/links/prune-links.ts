import type { DeletedLink } from '../../db/own-links/prune.ts';
import type { Log } from '../../runtime/log.ts';
import { Unhurried, type Pace } from '../../runtime/pace.ts';
import type { OwnLinksServer } from './own-links-server.ts';

/** Links in one transaction: some 10 ms of work for the server. */
const LINKS_AT_ONCE = 50;

/** What became of the links of a server. */
interface Pruned {
  cleared: number;
  /** They stay as they are until the next run. */
  failed: number;
  /** Why the last of them failed. */
  error: unknown;
}

/** Prunes all servers that take changes, one after another. Never rejects. */
export async function pruneAll(
  servers: readonly OwnLinksServer[],
  signal: AbortSignal,
  log: Log,
): Promise<void> {
  for (const server of servers) {
    const { name } = server.db;
    const pruned: Pruned = { cleared: 0, failed: 0, error: undefined };
    try {
      await pruneServer(server, pruned, signal);
    } catch (error) {
      if (!signal.aborted)
        log.debug({ error, urlsDb: name }, 'deleted links could not be cleared; next attempt in an hour');
    }
    const { cleared, failed, error } = pruned;
    if (cleared > 0)
      log.info({ urlsDb: name, links: cleared }, 'links that were deleted long ago were cleared');
    if (failed > 0 && !signal.aborted)
      log.warn(
        { error, urlsDb: name, links: failed },
        'some links that were deleted long ago could not be cleared; next attempt in an hour',
      );
  }
}

/**
 * In small pieces with rests, so that requests do not wait. Goes on behind links that cannot be cleared.
 * @throws what ended the work before the last link
 */
async function pruneServer(server: OwnLinksServer, pruned: Pruned, signal: AbortSignal): Promise<void> {
  const { db, isWritable } = server;
  const pace = new Unhurried(() => false, signal);
  let last: DeletedLink | undefined;
  while (isWritable()) {
    const links = await pace.piece(async () => db.listPrunable(last, LINKS_AT_ONCE));
    if (!(await tryPrune(server, links, { pace, pruned, signal })))
      // One of them is to blame.
      for (const link of links) {
        if (!isWritable()) return;
        if (!(await tryPrune(server, [link], { pace, pruned, signal }))) pruned.failed += 1;
      }
    if (links.length < LINKS_AT_ONCE) return;
    last = links.at(-1);
  }
}

/** @returns false when they could not be cleared. @throws the signal's reason once it is aborted */
async function tryPrune(
  { db }: OwnLinksServer,
  links: readonly DeletedLink[],
  { pace, pruned, signal }: { pace: Pace; pruned: Pruned; signal: AbortSignal },
): Promise<boolean> {
  if (links.length === 0) return true;
  try {
    await pace.piece(async () => db.prune(links));
    pruned.cleared += links.length;
    return true;
  } catch (error) {
    signal.throwIfAborted();
    pruned.error = error;
    return false;
  }
}
