import { beginWalk, readWalkedPiece, writeExpired } from '../../db/own-links/expiry-walk.ts';
import { compareListed, type ListPosition } from '../../db/own-links/own-link.ts';
import type { RestedJob } from '../jobs/rested-jobs.ts';

/** An owner who wants to hear of links that expire. */
export interface ExpiryListener {
  readonly userId: bigint;
  /** When he began to listen. */
  readonly since: Date;
}

export interface ExpiredLinksOptions {
  /**
   * The owner with the lowest id above `after`; undefined: there is none.
   * @throws StoreUnavailableError when nobody can say
   */
  readonly nextListener: (after: bigint) => Promise<ExpiryListener | undefined>;
  /** See {@link beginWalk}. Default: a minute. */
  readonly settleMs?: number;
  /** Places of one piece (default 1,000: some 10 ms of work for the server). */
  readonly places?: number;
}

/** A link has its event within this time, the time to settle, and that of one walk over all links. */
const EVERY_MS = 600_000;
const SETTLE_MS = 60_000;
const PLACES = 1_000;

/** Where a round is, as it is stored. */
interface Position {
  /** The owner whose walk is under way; else the last one whose walk is done. */
  readonly userId: string;
  readonly walk?: {
    readonly since: number;
    /** Tells this walk from another one, for which the place means nothing. */
    readonly to: number;
    readonly at: readonly [createdAt: number, key: string];
  };
}

/**
 * Writes an event of each link that expires and whose owner wants to hear of it. Nothing happens to a link at
 * that moment, so all links of such an owner are looked at again and again. (An index by expiry would make
 * every new link slower.)
 *
 * Where the job is only says what need not be looked at again. What is written already is stored with the
 * events.
 */
export function createExpiredLinksJob({
  nextListener,
  settleMs = SETTLE_MS,
  places = PLACES,
}: ExpiredLinksOptions): RestedJob {
  return {
    name: 'expired-links',
    everyMs: EVERY_MS,
    isInTime: true,
    step: async (db, progress) => {
      const position = parse(progress.position);
      const listener = position?.walk
        ? { userId: BigInt(position.userId), since: new Date(position.walk.since) }
        : await nextListener(BigInt(position?.userId ?? 0));
      if (listener === undefined) return undefined;
      const { userId, since } = listener;
      const done = JSON.stringify({ userId: String(userId) } satisfies Position);
      const walk = await beginWalk(db, { userId, since, settleMs });
      if (walk === undefined) return done;
      const lookedTo = position?.walk?.to === walk.to.getTime() ? placeOf(position.walk.at) : undefined;
      const after = later(walk.writtenTo, lookedTo);
      const piece = await readWalkedPiece(db, walk, { after, count: places });
      const { end } = piece;
      const isNews = end === undefined || piece.expired.length > 0;
      // Another process has done it, and its place is read at the next step.
      if (isNews && !(await writeExpired(db, walk, piece))) return progress.position ?? '';
      if (end === undefined) return done;
      const at = [end.createdAt.getTime(), end.key] as const;
      const next = { since: since.getTime(), to: walk.to.getTime(), at };
      return JSON.stringify({ userId: String(userId), walk: next } satisfies Position);
    },
  };
}

function parse(text: string | undefined): Position | undefined {
  return text === undefined || text === '' ? undefined : (JSON.parse(text) as Position);
}

function placeOf([createdAt, key]: readonly [number, string]): ListPosition {
  return { createdAt: new Date(createdAt), key };
}

function later(a: ListPosition | undefined, b: ListPosition | undefined): ListPosition | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return compareListed(a, b) < 0 ? a : b;
}
