import type { OutboxDb } from '../../db/outbox/outbox-db.ts';
import { monotonicMs } from '../../runtime/clock.ts';

/** Events of one webhook on one urls server. At one a second, those of nearly six hours. */
export const MAX_WAITING = 20_000;
const COUNTED_MS = 10_000;
const MAX_REMEMBERED = 10_000;

/**
 * Bounds the events that wait for one webhook. They are counted now and then, and this process adds its own
 * in between; other processes may exceed the bound for that time.
 */
export class WaitingCounts {
  readonly #db: Pick<OutboxDb, 'countWaiting'>;
  readonly #counts = new Map<string, { waiting: number; untilMs: number }>();

  constructor(db: Pick<OutboxDb, 'countWaiting'>) {
    this.#db = db;
  }

  /** False: one more may wait, and is counted. */
  async isFull(webhookId: string): Promise<boolean> {
    let count = this.#counts.get(webhookId);
    if (count === undefined || count.untilMs <= monotonicMs()) {
      const waiting = await this.#db.countWaiting(webhookId, MAX_WAITING);
      count = { waiting, untilMs: monotonicMs() + COUNTED_MS };
      if (this.#counts.size >= MAX_REMEMBERED) this.#counts.clear();
      this.#counts.set(webhookId, count);
    }
    if (count.waiting >= MAX_WAITING) return true;
    count.waiting += 1;
    return false;
  }
}
