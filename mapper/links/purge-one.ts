import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import type { OwnLink } from '../../db/own-links/own-link.ts';
import type { OwnLinksDb } from '../../db/own-links/own-links-db.ts';
import { delayFor, pause } from '../../runtime/retry.ts';

export interface PurgeRequest {
  readonly db: Pick<OwnLinksDb, 'name' | 'find' | 'purge'>;
  readonly key: string;
  /** 32 hex digits, random, new for every request. */
  readonly changeId: string;
  /** Called with every state that is read. */
  readonly mayPurge: (link: OwnLink) => boolean;
  /** Called when the link may be gone: mappers must hear of it, whatever the answer is. */
  readonly onPurged: () => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

const GIVE_UP_MS = 3_000;
const REPEAT = { baseMs: 5, maxMs: 100 };

/**
 * Deletes one link for good. A link that is not found any more after an answer that was lost is gone, whoever
 * has deleted it.
 * @returns the link as it was; undefined: there is none, or this caller may not delete it
 * @throws OutcomeUnknownError when it is not known whether the link is deleted; StoreUnavailableError when it
 *   is not
 */
export async function purgeOne(request: PurgeRequest): Promise<OwnLink | undefined> {
  const { db, key, changeId, mayPurge, onPurged, now } = request;
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
