import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import { visitsLeftAfter } from '../../db/own-links/change-link.ts';
import type { LinkChange, OwnLink } from '../../db/own-links/own-link.ts';
import type { OwnLinksDb } from '../../db/own-links/own-links-db.ts';
import { delayFor, pause } from '../../runtime/retry.ts';

/** What to do with a link as it is now: a change, or the answer that no change is needed or possible. */
export type Decision<Refusal> = { readonly change: LinkChange } | { readonly refusal: Refusal };

export interface ChangeRequest<Refusal> {
  readonly db: Pick<OwnLinksDb, 'name' | 'find' | 'change'>;
  readonly key: string;
  /** The link as it has just been read. Undefined: it is read first. */
  readonly found?: OwnLink;
  /** 32 hex digits, random, new for every request. */
  readonly changeId: string;
  /** Called with every state that is read. @param link undefined: there is no such link */
  readonly decide: (link: OwnLink | undefined) => Decision<Refusal>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** The link after the change, or later, or the refusal. */
export type Changed<Refusal> = { readonly link: OwnLink } | { readonly refusal: Refusal };

/** How long a change is tried against other changes of the same link, and against lost answers. */
const GIVE_UP_MS = 3_000;
const REPEAT = { baseMs: 5, maxMs: 100 };

/**
 * Changes one link: reads it, decides, and changes it if it still is as it was read. Otherwise starts again
 * from its new state.
 *
 * After an answer that was lost, the link is read. `changedBy` is our id: the change has happened. The old
 * version: the change is repeated, under the same id, so that it happens once even if the first one arrives
 * late. Another version: it starts again, and `decide` refuses if the caller named the version to change.
 * A refusal must mean that the change has not happened. It is certain if the next version is another's; once
 * there are further versions, the next one may have been ours.
 *
 * @throws OutcomeUnknownError when it is not known whether the link has changed; StoreUnavailableError when
 *   it has not
 */
export async function changeOne<Refusal>(request: ChangeRequest<Refusal>): Promise<Changed<Refusal>> {
  const { db, key, found, changeId, decide, now } = request;
  const giveUpMs = now() + GIVE_UP_MS;
  let unknown: UnknownChange | undefined;
  for (let attempt = 0; ; attempt += 1) {
    const isRead = attempt === 0 && found !== undefined;
    const link = isRead ? found : await readAfter(unknown, async () => db.find(key));
    if (link?.changedBy === changeId) return { link };
    const decision = decide(link);
    if ('refusal' in decision) {
      if (unknown !== undefined && link?.version !== unknown.version + 1) throw unknown.error;
      return decision;
    }
    if (link === undefined) throw new RangeError(`a change of ${key}, which does not exist`);
    try {
      const isChanged = await db.change({ link, change: decision.change, changeId });
      if (isChanged) return { link: await readChanged(request, link, decision.change) };
    } catch (error) {
      if (!(error instanceof OutcomeUnknownError)) throw unknown?.error ?? error;
      unknown = { error, version: link.version };
    }
    if (now() > giveUpMs)
      throw (
        unknown?.error ?? new StoreUnavailableError(db.name, `too many changes of ${key} at the same time`)
      );
    if (attempt > 0) await pause(delayFor(attempt, REPEAT));
  }
}

/** A change of this version whose answer was lost. */
interface UnknownChange {
  readonly error: OutcomeUnknownError;
  readonly version: number;
}

/** A read that fails after a lost answer does not tell whether the change has happened. */
async function readAfter<T>(unknown: UnknownChange | undefined, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw unknown?.error ?? error;
  }
}

/**
 * The link after our change; others may have changed it since. The change has happened, so a read that fails
 * does not make it fail: then the times in the answer are those of our own clock, and visits at that moment
 * are not counted.
 */
async function readChanged(
  { db, key, changeId }: Pick<ChangeRequest<unknown>, 'db' | 'key' | 'changeId'>,
  before: OwnLink,
  change: LinkChange,
): Promise<OwnLink> {
  const found = await db.find(key).catch(() => undefined);
  if (found !== undefined) return found;
  const at = new Date();
  const after = { ...before, version: before.version + 1, changedBy: changeId, updatedAt: at };
  if (change.kind === 'edit')
    return {
      ...after,
      ...change.state,
      visitsLeft: visitsLeftAfter(before, change.state.rules.maxVisits),
    };
  return { ...after, deletedAt: change.kind === 'delete' ? at : null };
}
