import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import type { ClickFlush, ClickRow, ClicksDb } from '../../db/urls/clicks.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { restAfter } from '../../runtime/pace.ts';
import { pauseQuietly } from '../../runtime/retry.ts';

export interface ClickLedgerOptions {
  readonly db: ClicksDb;
  /** Whether its urls server is up. While it is down, all clicks wait. */
  readonly isUp: () => boolean;
  /** Names this process, and no earlier or later one. */
  readonly source: string;
  /** Most keys that may wait. Clicks of further keys are dropped. */
  readonly maxKeys: number;
  readonly onStored: (clicks: number) => void;
  readonly onDropped: (clicks: number) => void;
  readonly log: Log;
}

/**
 * Rows of one INSERT: enough that a click costs little, few enough that the server needs only a few
 * milliseconds.
 */
const MAX_ROWS = 500;

/**
 * The clicks that one urls server has not stored yet. One numbered flush is in flight at a time. It is
 * repeated unchanged until the server has confirmed it, and only then the next one is sent. So each click is
 * stored once, even when an answer is lost.
 */
export class ClickLedger {
  readonly #options: ClickLedgerOptions;
  /** Clicks by day and key. There is more than one day only around midnight, or while the server is down. */
  readonly #waiting = new Map<string, Map<string, number>>();
  readonly #hurry = new AbortController();
  #waitingKeys = 0;
  #sending: ClickFlush | undefined;
  #seq = 0;
  #flushing: Promise<void> | undefined;

  constructor(options: ClickLedgerOptions) {
    this.#options = options;
  }

  /** Keys that wait or are in flight, counted per day. */
  get size(): number {
    return this.#waitingKeys + (this.#sending?.rows.length ?? 0);
  }

  add(day: string, key: string, clicks: number): void {
    const { maxKeys, onDropped } = this.#options;
    let ofDay = this.#waiting.get(day);
    const before = ofDay?.get(key);
    if (before === undefined && this.size >= maxKeys) {
      onDropped(clicks);
      return;
    }
    if (ofDay === undefined) this.#waiting.set(day, (ofDay = new Map()));
    ofDay.set(key, (before ?? 0) + clicks);
    if (before === undefined) this.#waitingKeys += 1;
  }

  /**
   * Sends all clicks that wait. When the server does not confirm, the rest waits for the next call. Never
   * rejects.
   *
   * Pauses between two INSERTs, unless half of `maxKeys` waits. No client waits for clicks, and many INSERTs
   * in a row would delay the INSERTs that clients wait for.
   */
  async flush(): Promise<void> {
    this.#flushing ??= this.#sendAll().finally(() => (this.#flushing = undefined));
    return this.#flushing;
  }

  /** No pauses from now on, because the process is stopping. */
  hurry(): void {
    this.#hurry.abort();
  }

  async #sendAll(): Promise<void> {
    const { db, isUp, maxKeys, onStored, log } = this.#options;
    while (isUp()) {
      this.#sending ??= this.#takeNext();
      if (this.#sending === undefined) return;
      const startedMs = monotonicMs();
      try {
        await db.add(this.#sending);
      } catch (error) {
        const isExpected = error instanceof StoreUnavailableError || error instanceof OutcomeUnknownError;
        log[isExpected ? 'debug' : 'error'](
          { error, urlsDb: db.name },
          'clicks not confirmed; the flush will be repeated',
        );
        return;
      }
      onStored(clicksIn(this.#sending.rows));
      this.#sending = undefined;
      if (this.#waitingKeys > 0 && this.#waitingKeys < maxKeys / 2)
        await pauseQuietly(restAfter(monotonicMs() - startedMs), this.#hurry.signal);
    }
  }

  #takeNext(): ClickFlush | undefined {
    const [oldest] = this.#waiting;
    if (oldest === undefined) return undefined;
    const [day, ofDay] = oldest;
    const rows: ClickRow[] = [];
    for (const [key, clicks] of ofDay) {
      if (rows.length === MAX_ROWS) break;
      rows.push({ key, day, clicks });
      ofDay.delete(key);
    }
    if (ofDay.size === 0) this.#waiting.delete(day);
    this.#waitingKeys -= rows.length;
    this.#seq += 1;
    return { source: this.#options.source, seq: this.#seq, rows };
  }
}

function clicksIn(rows: readonly ClickRow[]): number {
  return rows.reduce((sum, { clicks }) => sum + clicks, 0);
}
