import type { OutboxDb, Waiting } from '../../db/outbox/outbox-db.ts';
import { monotonicMs } from '../../runtime/clock.ts';

/**
 * Events that may wait for one webhook on one urls server. Of clicks there may be several each second, from
 * every process, and an old one is of little use. Of changes there are as many as the owner makes within the
 * day for which they are tried, for example by an import of all his links, and each of them matters.
 */
export const MAX_WAITING = { clicks: 2_000, changes: 1_000_000 } as const satisfies Waiting;

const COUNTED_MS = 10_000;
/** Counting 300,000 rows took 65 to 300 ms: with so many it is done less often. */
const COUNTING_SHARE = 1 / 100;
const MAX_REMEMBERED = 10_000;

/**
 * Bounds the events that wait for one webhook. They are counted now and then, and this process adds its own
 * in between; other processes may exceed the bound for that time.
 */
export class WaitingCounts {
  readonly #db: Pick<OutboxDb, 'countWaiting'>;
  readonly #counts = new Map<string, { clicks: number; changes: number; untilMs: number }>();

  constructor(db: Pick<OutboxDb, 'countWaiting'>) {
    this.#db = db;
  }

  /** False: one more of these events may wait, and is counted. */
  async isFull(webhookId: string, event: string): Promise<boolean> {
    let count = this.#counts.get(webhookId);
    if (count === undefined || count.untilMs <= monotonicMs()) {
      const beganAtMs = monotonicMs();
      // If counting takes too long, this event and those of others must not wait for it.
      const waiting = await this.#db
        .countWaiting(webhookId, MAX_WAITING.clicks + MAX_WAITING.changes)
        .catch(() => count ?? { clicks: 0, changes: 0 });
      const tookMs = monotonicMs() - beganAtMs;
      count = { ...waiting, untilMs: monotonicMs() + Math.max(COUNTED_MS, tookMs / COUNTING_SHARE) };
      if (this.#counts.size >= MAX_REMEMBERED) this.#counts.clear();
      this.#counts.set(webhookId, count);
    }
    const kind = event === 'link.clicked' ? 'clicks' : 'changes';
    if (count[kind] >= MAX_WAITING[kind]) return true;
    count[kind] += 1;
    return false;
  }
}
