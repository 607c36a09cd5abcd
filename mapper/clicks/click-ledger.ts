import type { ClickFlush, LinkClicks } from '../../db/clicks/click-flush.ts';
import type { ClicksDb } from '../../db/clicks/clicks-db.ts';
import { clicksIn, mergeClicks } from '../../db/clicks/merge-clicks.ts';
import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
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
  /** By key. */
  readonly #waiting = new Map<string, LinkClicks>();
  readonly #hurry = new AbortController();
  #sending: ClickFlush | undefined;
  #seq = 0;
  #flushing: Promise<void> | undefined;

  constructor(options: ClickLedgerOptions) {
    this.#options = options;
  }

  /** Keys that wait or are in flight. */
  get size(): number {
    return this.#waiting.size + (this.#sending?.links.length ?? 0);
  }

  /** Takes what was counted for a link since the last call for it. */
  add(clicks: LinkClicks): void {
    const { maxKeys, onDropped } = this.#options;
    const before = this.#waiting.get(clicks.key);
    if (before === undefined && this.size >= maxKeys) {
      onDropped(clicksIn(clicks));
      return;
    }
    this.#waiting.set(clicks.key, before === undefined ? clicks : mergeClicks(before, clicks));
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
      onStored(this.#sending.links.reduce((sum, link) => sum + clicksIn(link), 0));
      this.#sending = undefined;
      if (this.#waiting.size > 0 && this.#waiting.size < maxKeys / 2)
        await pauseQuietly(restAfter(monotonicMs() - startedMs), this.#hurry.signal);
    }
  }

  #takeNext(): ClickFlush | undefined {
    const links = [...this.#waiting.values().take(MAX_ROWS)];
    if (links.length === 0) return undefined;
    for (const { key } of links) this.#waiting.delete(key);
    this.#seq += 1;
    return { source: this.#options.source, seq: this.#seq, links };
  }
}
