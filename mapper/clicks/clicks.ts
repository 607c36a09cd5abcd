import { setImmediate as nextTurn } from 'node:timers/promises';
import { pauseQuietly, withDeadline } from '../../runtime/retry.ts';
import type { ClickLedger } from './click-ledger.ts';
import { pollEvery } from '../../runtime/polling.ts';

/** Told of every link that was followed; must cost next to nothing. */
export interface Clicks {
  /** One GET that was answered with a redirect. Synchronous, and never in the way of the answer. */
  count(key: string): void;
}

export interface ClickCounterOptions {
  /** One for each urls server. */
  readonly ledgers: readonly ClickLedger[];
  readonly ledgerFor: (key: string) => ClickLedger;
  /** How long clicks stay in memory only: what kill -9 can lose, together with the time one flush takes. */
  readonly flushMs: number;
  /** Most distinct keys counted between two flushes; at half of it a flush begins early. */
  readonly maxKeys: number;
  readonly onDropped: (clicks: number) => void;
  /** Wall clock in ms: it names the day, UTC, to within one flush interval. */
  readonly now: () => number;
}

/** Sorted in one turn of the event loop, which serves requests in between. */
const KEYS_PER_TURN = 1_000;
const CLOSE_TIMEOUT_MS = 2_000;
const CLOSE_RETRY_MS = 50;

/**
 * Counts clicks off the path of redirects: one Map entry per key, handed over to the ledgers of the urls servers every
 * `flushMs`. Its memory is bounded; beyond the bound clicks are given up and counted as dropped, and redirects go on.
 */
export class ClickCounter implements Clicks {
  readonly #options: ClickCounterOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #handingOver = Promise.resolve();
  /** Objects, so that a further click is one look-up and not two. */
  #counts = new Map<string, { clicks: number }>();
  #day: string;

  constructor(options: ClickCounterOptions) {
    this.#options = options;
    this.#day = this.#today();
    this.#running = pollEvery(options.flushMs, this.#stopping.signal, async () => this.#beginFlush());
  }

  /** Distinct keys whose clicks are not stored yet. */
  get size(): number {
    return this.#options.ledgers.reduce((sum, ledger) => sum + ledger.size, this.#counts.size);
  }

  count(key: string): void {
    const before = this.#counts.get(key);
    if (before === undefined) this.#countFirst(key);
    else before.clicks += 1;
  }

  /** Stores what is counted, for a bounded time. @returns how many keys' clicks are lost */
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

  /** The flushes are not waited for: a server that hangs delays neither the others nor the next round. */
  async #beginFlush(): Promise<void> {
    await this.#handOver();
    for (const ledger of this.#options.ledgers) void ledger.flush();
  }

  async #handOver(): Promise<void> {
    this.#handingOver = this.#handingOver.then(async () => this.#sortByServer());
    return this.#handingOver;
  }

  /** A piece at a time: sorting 50,000 keys in one go would hold every request up. */
  async #sortByServer(): Promise<void> {
    const [counts, day] = [this.#counts, this.#day];
    this.#counts = new Map();
    this.#day = this.#today();
    let looked = 0;
    for (const [key, { clicks }] of counts) {
      this.#options.ledgerFor(key).add(day, key, clicks);
      if (++looked % KEYS_PER_TURN === 0) await nextTurn();
    }
  }

  #today(): string {
    return new Date(this.#options.now()).toISOString().slice(0, 10);
  }
}
