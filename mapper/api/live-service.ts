import { OutcomeUnknownError } from '../../db/store-errors.ts';
import { Places } from '../bulk/places.ts';
import type { Identity } from '../auth/identities.ts';
import { invalidFields, Problem } from '../http/problem.ts';
import { mayAccess } from '../links/access.ts';
import type { OwnLinks } from '../links/own-links.ts';
import type { LiveClicks } from '../live/live-clicks.ts';
import { parsePlace } from '../live/live-events.ts';
import type { LiveListener } from '../live/live-listener.ts';
import { TooManyWatchedError } from '../live/live-shard.ts';
import type { ContentReply } from './content.ts';
import { ask, requireKey, unknownLink } from './link-problems.ts';
import { callerOf } from './link-service.ts';

export const EVENT_STREAM = 'text/event-stream';

/** Each needs some 40 KB, and 50 µs whenever it is told something. */
const PLACES = { all: 3_000, ofOwner: 1_000, isShared: true };

/** Who wants to watch. */
export interface Watcher {
  readonly identity: Identity;
  /** Who he is now. @throws Problem 401, 403, 503 */
  readonly identifyAgain: () => Promise<Identity>;
}

/** Tells the clicks of one's own links as they happen. */
export class LiveService {
  readonly #own: Pick<OwnLinks, 'find'>;
  readonly #live: Pick<LiveClicks, 'listen'>;
  readonly #places = new Places(PLACES);

  constructor(own: Pick<OwnLinks, 'find'>, live: Pick<LiveClicks, 'listen'>) {
    this.#own = own;
    this.#live = live;
  }

  /**
   * @param lastEventId the header: a client that comes again is told what it has missed
   * @throws Problem 404 unknown or another's, 422, 503 a store is away or too many watch
   */
  async watch(
    { identity, identifyAgain }: Watcher,
    key: string,
    lastEventId: string | undefined,
  ): Promise<ContentReply> {
    requireKey(key);
    const after = lastEventId === undefined ? undefined : parsePlace(lastEventId);
    if (lastEventId !== undefined && after === undefined)
      throw invalidFields([{ field: 'Last-Event-ID', reason: 'must be the id of an event of this stream' }]);
    const link = await ask(async () => this.#own.find(callerOf(identity), key));
    if (link === undefined) throw unknownLink();
    const release = this.#places.take(identity.userId);
    const mayGoOn = async (): Promise<void> => {
      if (!mayAccess(callerOf(await identifyAgain()), link)) throw unknownLink();
    };
    const wanted = { key: link.key, owner: String(link.userId ?? 'nobody') };
    const content = await this.#listen(async () =>
      this.#live.listen(wanted, after, { mayGoOn, onClosed: release }),
    );
    // Proxies must hand on each event.
    return { type: EVENT_STREAM, content, endsWithClient: true, headers: { 'X-Accel-Buffering': 'no' } };
  }

  async #listen(listen: () => Promise<LiveListener>): Promise<LiveListener> {
    try {
      return await ask(async () =>
        listen().catch((error: unknown) => {
          if (!(error instanceof OutcomeUnknownError)) throw error;
          const detail = 'Clicks cannot be watched just now.';
          throw new Problem('store-down', { detail, cause: error });
        }),
      );
    } catch (error) {
      if (!(error instanceof TooManyWatchedError)) throw error;
      throw new Problem('overloaded', {
        detail: 'Too many links are watched at the same time, of all or of this owner.',
        cause: error,
      });
    }
  }
}
