import type { OwnLinksDb } from '../../db/own-links/own-links-db.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import type { OwnLinksServer } from './own-links-server.ts';

/** Links in one transaction: some 10 ms of work for the server. */
const LINKS_AT_ONCE = 100;
/** When the work returns although links are left. */
const BOUND_MS = 2_000;

/** How many links were changed, and whether that were all. If not, the caller repeats the work. */
export interface ManyChanged {
  readonly links: number;
  readonly isDone: boolean;
}

export interface ManyChanges {
  readonly servers: readonly OwnLinksServer[];
  /** Changes up to `count` links on one server; returns 0 when none are left. */
  readonly changeSome: (db: OwnLinksDb, count: number) => Promise<number>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Ends the work early. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Changes many links on all servers at the same time, in small transactions, for a bounded time.
 * @throws StoreUnavailableError, OutcomeUnknownError: the work may be repeated
 */
export async function changeMany({ servers, changeSome, now, signal }: ManyChanges): Promise<ManyChanged> {
  const untilMs = now() + BOUND_MS;
  const isOver = (): boolean => now() >= untilMs || signal?.aborted === true;
  const all = await Promise.all(
    servers.map(async ({ db, isWritable }) => {
      if (!isWritable()) throw new StoreUnavailableError(db.name, 'it takes no changes now');
      let links = 0;
      while (!isOver()) {
        const changed = await changeSome(db, LINKS_AT_ONCE);
        if (changed === 0) return { links, isDone: true };
        links += changed;
      }
      return { links, isDone: false };
    }),
  );
  return {
    links: all.reduce((sum, { links }) => sum + links, 0),
    isDone: all.every(({ isDone }) => isDone),
  };
}
