import type { ClickFlush, ClickRow, ClicksDb } from '../db/clicks.ts';
import { OutcomeUnknownError, StoreUnavailableError } from '../db/store-errors.ts';
import type { Log } from '../runtime/log.ts';

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

/** One INSERT: large enough that many clicks cost little, small enough to hold its locks for milliseconds. */
const MAX_ROWS = 1_000;

/**
 * What one urls server has not been told yet. One numbered flush is under way at a time; it is repeated, as it is, until the server
 * has confirmed it, and only then comes the next: so each click is stored once, whatever becomes of an answer.
 */
export class ClickLedger {
  readonly #options: ClickLedgerOptions;
  /** Clicks by day and key. More than one day only around midnight, or while the server is away. */
  readonly #waiting = new Map<string, Map<string, number>>();
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

  /** Sends what waits, until nothing does or the server does not confirm: then the rest waits for the next call. Never rejects. */
  async flush(): Promise<void> {
    this.#flushing ??= this.#sendAll().finally(() => (this.#flushing = undefined));
    return this.#flushing;
  }

  async #sendAll(): Promise<void> {
    const { db, isUp, onStored, log } = this.#options;
    while (isUp()) {
      this.#sending ??= this.#takeNext();
      if (this.#sending === undefined) return;
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
