import type { ClickFlush, ClickRow, ClicksDb } from '../../db/urls/clicks.ts';
import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { restAfter } from '../../runtime/pace.ts';
import { pauseQuietly } from '../../runtime/retry.ts';

export interface ClickLedgerOptions {
  readonly db: ClicksDb;
  /** Whether its urls server answers and owns its slots: until then everything waits. */
  readonly isUp: () => boolean;
  /** Names this process from start to end. */
  readonly source: string;
  /** Most keys that may wait; clicks of further ones are given up. */
  readonly maxKeys: number;
  readonly onStored: (clicks: number) => void;
  readonly onDropped: (clicks: number) => void;
  readonly log: Log;
}

/** One INSERT: large enough that many clicks cost little, small enough that it takes the server a few milliseconds. */
const MAX_ROWS = 500;

/**
 * What one urls server has not been told yet. One numbered flush is under way at a time; it is repeated, as it is, until the server
 * has confirmed it, and only then comes the next: so each click is stored once, whatever becomes of an answer.
 */
export class ClickLedger {
  readonly #options: ClickLedgerOptions;
  /** Clicks by day and key. More than one day only around midnight, or while the server is away. */
  readonly #waiting = new Map<string, Map<string, number>>();
  readonly #hurry = new AbortController();
  #waitingKeys = 0;
  #sending: ClickFlush | undefined;
  #seq = 0;
  #flushing: Promise<void> | undefined;

  constructor(options: ClickLedgerOptions) {
    this.#options = options;
  }

  /** Keys that wait, counted per day, those under way included. */
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
   * Sends what waits, until nothing does or the server does not confirm: then the rest waits for the next call. Never rejects.
   *
   * Between two INSERTs it rests, unless half of what may wait does: nobody waits for clicks, and many INSERTs in a row hold up those
   * whom somebody waits for.
   */
  async flush(): Promise<void> {
    this.#flushing ??= this.#sendAll().finally(() => (this.#flushing = undefined));
    return this.#flushing;
  }

  /** From now on without rests: the process ends. */
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
          'clicks not confirmed; to be repeated',
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
