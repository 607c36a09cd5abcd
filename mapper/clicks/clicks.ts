import { setImmediate as nextTurn } from 'node:timers/promises';
import { HOUR_MS } from '../../db/clicks/click-flush.ts';
import { pollEvery } from '../../runtime/polling.ts';
import { pauseQuietly, withDeadline } from '../../runtime/retry.ts';
import type { ClickLedger } from './click-ledger.ts';
import type { ClickListener } from './resolved-click.ts';

/** Counts every link that is followed. It is on the path of a redirect, so it must cost almost nothing. */
export interface Clicks {
  /** Counts one GET that was answered with a redirect. Never throws. */
  count(key: string): void;
}

export interface ClickCounterOptions {
  /** One per urls server. */
  readonly ledgers: readonly ClickLedger[];
  readonly ledgerFor: (key: string) => ClickLedger;
  /** How long clicks stay in memory. `kill -9` can lose the clicks of this time and of one flush. */
  readonly flushMs: number;
  /** Most distinct keys counted between two flushes. At half of it a flush begins early. */
  readonly maxKeys: number;
  readonly onDropped: (clicks: number) => void;
  /** Wall clock in ms. It gives the UTC hour, exact to one flush interval. */
  readonly now: () => number;
}

/** Keys sorted in one turn of the event loop. Requests are served in between. */
const KEYS_PER_TURN = 1_000;
const CLOSE_TIMEOUT_MS = 2_000;
const CLOSE_RETRY_MS = 50;

/**
 * Counts clicks in memory, one Map entry per key, and hands them to the ledgers of the urls servers every
 * `flushMs`. Its memory is bounded. Clicks beyond the bound are dropped and counted as dropped; redirects
 * continue.
 */
export class ClickCounter implements Clicks {
  readonly #options: ClickCounterOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  readonly #listeners: ClickListener[] = [];
  #handingOver = Promise.resolve();
  /** The values are objects, so that a further click is one look-up and not two. */
  #counts = new Map<string, { clicks: number }>();
  #hour: number;

  constructor(options: ClickCounterOptions) {
    this.#options = options;
    this.#hour = this.#thisHour();
    this.#running = pollEvery(options.flushMs, this.#stopping.signal, async () => this.#beginFlush());
  }

  /** Distinct keys whose clicks are not stored yet. */
  get size(): number {
    return this.#options.ledgers.reduce((sum, ledger) => sum + ledger.size, this.#counts.size);
  }

  listen(listener: ClickListener): void {
    this.#listeners.push(listener);
  }

  count(key: string): void {
    const before = this.#counts.get(key);
    if (before === undefined) this.#countFirst(key);
    else before.clicks += 1;
  }

  /** Stores the counted clicks, for a bounded time. @returns the number of keys that lost clicks */
  async close(): Promise<number> {
    this.#stopping.abort();
    for (const ledger of this.#options.ledgers) ledger.hurry();
    await this.#running;
    await this.#handOver();
    await withDeadline('storing clicks', CLOSE_TIMEOUT_MS, async (signal) => {
      while (this.size > 0 && !signal.aborted) {
        await Promise.all(this.#options.ledgers.map(async (ledger) => ledger.flush()));
        if (this.size > 0) await pauseQuietly(CLOSE_RETRY_MS, signal);
      }
    }).catch(() => undefined);
    return this.size;
  }

  #countFirst(key: string): void {
    const { maxKeys, onDropped } = this.#options;
    if (this.#counts.size >= maxKeys) {
      onDropped(1);
      return;
    }
    this.#counts.set(key, { clicks: 1 });
    if (this.#counts.size === Math.ceil(maxKeys / 2)) void this.#beginFlush();
  }

  /**
   * Does not wait for the flushes, so that a server that hangs delays neither the others nor the next round.
   */
  async #beginFlush(): Promise<void> {
    await this.#handOver();
    for (const ledger of this.#options.ledgers) void ledger.flush();
  }

  async #handOver(): Promise<void> {
    this.#handingOver = this.#handingOver.then(async () => this.#sortByServer());
    return this.#handingOver;
  }

  /** In pieces, because sorting 50,000 keys in one turn would delay every request. */
  async #sortByServer(): Promise<void> {
    const [counts, hour] = [this.#counts, this.#hour];
    this.#counts = new Map();
    this.#hour = this.#thisHour();
    let sorted = 0;
    for (const [key, { clicks }] of counts) {
      this.#options
        .ledgerFor(key)
        .add({ key, hours: [{ hour, humans: clicks, bots: 0 }], values: [], visitors: [] });
      if (++sorted % KEYS_PER_TURN === 0) await nextTurn();
    }
  }

  #thisHour(): number {
    return Math.floor(this.#options.now() / HOUR_MS);
  }
}
