import type { OrphanFlush, OrphansDb, OrphanState } from '../../db/clicks/orphans-db.ts';
import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import type { Log } from '../../runtime/log.ts';
import { OrphanTable } from './orphan-table.ts';

export interface OrphanLedgerOptions {
  readonly db: OrphansDb;
  /** Whether its urls server is up. While it is not, the counts wait. */
  readonly isUp: () => boolean;
  /** Names this process, and no earlier or later one, and nothing else that it flushes. */
  readonly source: string;
  /** UTC, `YYYY-MM-DD`. */
  readonly today: () => string;
  readonly log: Log;
}

/** Some 1 MB for each urls server. */
export const MAX_KEYS = 5_000;
/** Some milliseconds for the server. */
export const MAX_ROWS = 500;

/**
 * The orphans of one urls server that are not stored yet. One numbered flush is in flight at a time, and it
 * is repeated unchanged until the server has confirmed it. So each request is stored once.
 */
export class OrphanLedger {
  readonly #options: OrphanLedgerOptions;
  readonly #waiting: OrphanFlush[] = [];
  #table = new OrphanTable(MAX_KEYS);
  #day: string;
  #seq = 0;
  #flushing: Promise<void> | undefined;

  constructor(options: OrphanLedgerOptions) {
    this.#options = options;
    this.#day = options.today();
  }

  asked(key: string, state: OrphanState): void {
    this.#table.add(key, state);
  }

  /** Stores what was counted. When the server does not confirm, it waits for the next call. Never rejects. */
  async flush(): Promise<void> {
    this.#flushing ??= this.#send().finally(() => (this.#flushing = undefined));
    return this.#flushing;
  }

  async #send(): Promise<void> {
    const { db, isUp, log, today } = this.#options;
    const day = today();
    // A day that is over is taken also while the server is away, because its table goes.
    if (day !== this.#day) {
      if (this.#waiting.length < 2) this.#take(MAX_KEYS);
      this.#table = new OrphanTable(MAX_KEYS);
      this.#day = day;
    }
    if (!isUp()) return;
    if (this.#waiting.length === 0) this.#take(MAX_ROWS);
    for (let flush = this.#waiting[0]; flush !== undefined; flush = this.#waiting[0]) {
      try {
        await db.add(flush);
      } catch (error) {
        const isExpected = error instanceof StoreUnavailableError || error instanceof OutcomeUnknownError;
        log[isExpected ? 'debug' : 'error'](
          { error, urlsDb: db.name },
          'orphans not confirmed; the flush will be repeated',
        );
        return;
      }
      this.#waiting.shift();
    }
  }

  #take(maxRows: number): void {
    const rows = this.#table.take(maxRows);
    if (rows.length === 0) return;
    this.#seq += 1;
    this.#waiting.push({ source: this.#options.source, seq: this.#seq, day: this.#day, rows });
  }
}
