import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import type { OwnLink } from '../../db/own-links/own-link.ts';
import type { OwnLinksDb } from '../../db/own-links/own-links-db.ts';
import { delayFor, pause } from '../../runtime/retry.ts';
import type { AnnounceChange } from '../cache/announce-change.ts';
import type { OwnLinksServer } from './own-links-server.ts';
import { takeTurn, type Turns } from './turns.ts';

interface PurgeRequest {
  readonly key: string;
  /** 32 hex digits, random, new for every request. */
  readonly changeId: string;
  /** Whether the caller may delete it. Called with every state that is read. */
  readonly mayPurge: (link: OwnLink) => boolean;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

interface PurgeLinkOptions extends PurgeRequest {
  /** Of the server. */
  readonly turns: Turns;
  readonly announce: AnnounceChange;
}

export interface PurgedLink {
  /** As it was. */
  readonly link: OwnLink;
  readonly announced: Awaited<ReturnType<AnnounceChange>>;
}

const GIVE_UP_MS = 3_000;
const REPEAT = { baseMs: 5, maxMs: 100 };

/**
 * Deletes one link for good, and tells all mappers.
 * @returns undefined: there is no such link, or this caller may not delete it
 * @throws StoreUnavailableError it is not deleted; OutcomeUnknownError it may be
 */
export async function purgeLink(
  { db, isWritable }: OwnLinksServer,
  { turns, announce, ...request }: PurgeLinkOptions,
): Promise<PurgedLink | undefined> {
  const { key, mayPurge } = request;
  if (!isWritable()) throw new StoreUnavailableError(db.name, 'it takes no changes now');
  // Nobody takes a turn of a link that he may not delete.
  const found = await db.find(key);
  if (found === undefined || !mayPurge(found)) return undefined;
  let mayBeGone = false;
  const onPurged = (): void => {
    mayBeGone = true;
  };
  try {
    const link = await takeTurn(turns, { server: db.name, key }, async () => purgeOne(db, request, onPurged));
    return link && { link, announced: await announce(key) };
  } catch (error) {
    if (mayBeGone) await announce(key);
    throw error;
  }
}

/**
 * Deletes one link for good. A link that is not found any more after an answer that was lost is gone, whoever
 * has deleted it.
 * @param onPurged called when the link may be gone: mappers must hear of it, whatever the answer is
 * @returns the link as it was
 * @throws OutcomeUnknownError when it is not known whether the link is deleted; StoreUnavailableError when it
 *   is not
 */
async function purgeOne(
  db: Pick<OwnLinksDb, 'name' | 'find' | 'purge'>,
  { key, changeId, mayPurge, now }: PurgeRequest,
  onPurged: () => void,
): Promise<OwnLink | undefined> {
  const giveUpMs = now() + GIVE_UP_MS;
  let unknown: { readonly error: OutcomeUnknownError; readonly link: OwnLink } | undefined;
  for (let attempt = 0; ; attempt += 1) {
    const link = await db.find(key).catch((error: unknown) => {
      throw unknown?.error ?? error;
    });
    if (link === undefined) return unknown?.link;
    if (!mayPurge(link)) {
      if (unknown !== undefined) throw unknown.error;
      return undefined;
    }
    try {
      if (await db.purge({ link, changeId })) {
        onPurged();
        return link;
      }
    } catch (error) {
      if (!(error instanceof OutcomeUnknownError)) throw unknown?.error ?? error;
      onPurged();
      unknown = { error, link };
    }
    if (now() > giveUpMs)
      throw (
        unknown?.error ?? new StoreUnavailableError(db.name, `too many changes of ${key} at the same time`)
      );
    if (attempt > 0) await pause(delayFor(attempt, REPEAT));
  }
}
