import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ClickFlush, LinkClicks } from '../../db/clicks/click-flush.ts';
import type { ClicksDb } from '../../db/clicks/clicks-db.ts';
import { clicksIn } from '../../db/clicks/merge-clicks.ts';
import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { restAfter } from '../../runtime/pace.ts';
import { pauseQuietly } from '../../runtime/retry.ts';
import { Turns } from '../../runtime/turns.ts';
import {
  countNext,
  isRefusedForGood,
  MAX_LINKS,
  MAX_ROWS,
  rowsOf,
  splitRefused,
  withoutDimensions,
} from './flush-parts.ts';
import type { LinkCounts } from './link-counts.ts';
import { ListedLinks } from './listed-links.ts';
import { WaitingClicks } from './waiting-clicks.ts';

export interface ClickLedgerOptions {
  readonly db: ClicksDb;
  /** Whether its urls server is up. While it is down, all clicks wait. */
  readonly isUp: () => boolean;
  /** Names this process, and no earlier or later one. */
  readonly source: string;
  /** Most keys that may wait. Clicks of further keys are dropped. At half of it a flush begins early. */
  readonly maxKeys: number;
  /** About how much memory the waiting clicks may take. Beyond it, further ones lose their dimensions. */
  readonly maxBytes?: number;
  readonly onStored: (clicks: number) => void;
  readonly onDropped: (clicks: number) => void;
  /** Called with clicks that are stored without dimensions: too much waits, or the server refuses them. */
  readonly onStripped?: (clicks: number) => void;
  readonly log: Log;
}

const MAX_BYTES = 64 * 2 ** 20;
/** Of the links that are taken in one turn of the event loop: some 0.2 ms. */
const ROWS_PER_TURN = 200;

/**
 * The clicks that one urls server has not stored yet. One numbered flush is in flight at a time. It is
 * repeated unchanged until the server has confirmed it, and only then the next one is sent. So each click is
 * stored once, even when an answer is lost.
 */
export class ClickLedger {
  readonly #options: ClickLedgerOptions;
  /** Links whose clicks are still being counted. */
  readonly #listed = new ListedLinks();
  /** By key: clicks that were taken because they are of an hour before, or because the server is down. */
  readonly #waiting = new Map<string, WaitingClicks>();
  /** Ends the rests of the flush under way. */
  #rests = new AbortController();
  #isHurried = false;
  /** Of those that wait. */
  #bytes = 0;
  #sending: ClickFlush | undefined;
  /** What the next flushes contain: parts of one that was refused for good, or what was just taken. */
  readonly #parts: LinkClicks[][] = [];
  #seq = 0;
  #flushing: Promise<void> | undefined;

  constructor(options: ClickLedgerOptions) {
    this.#options = options;
  }

  /** Keys that wait or are in flight. */
  get size(): number {
    return this.#listed.size + this.#takenSize;
  }

  get #takenSize(): number {
    let size = this.#waiting.size + (this.#sending?.links.length ?? 0);
    for (const part of this.#parts) size += part.length;
    return size;
  }

  get #hasDue(): boolean {
    return this.#takenSize + this.#listed.dueSize > 0;
  }

  /** Whether there is room for the clicks of a link that is not listed. */
  mayList(key: string): boolean {
    return this.size < this.#options.maxKeys || this.#waiting.has(key);
  }

  /** A link has its first click since it was taken. Its clicks are taken by a flush in a later turn. */
  list(link: LinkCounts): void {
    this.#listed.list(link);
    if (this.#listed.size === Math.ceil(this.#options.maxKeys / 2)) void this.flush();
  }

  /** Takes what was counted for a link, alone. */
  add(clicks: LinkClicks): void {
    const { maxKeys, onDropped } = this.#options;
    const before = this.#waiting.get(clicks.key);
    if (before === undefined && this.#takenSize >= maxKeys) {
      onDropped(clicksIn(clicks));
      return;
    }
    const added = this.#withinBytes(clicks);
    if (before === undefined) {
      const first = new WaitingClicks(added);
      this.#waiting.set(clicks.key, first);
      this.#bytes += first.bytes;
      return;
    }
    this.#bytes -= before.bytes;
    before.add(added);
    this.#bytes += before.bytes;
  }

  #withinBytes(clicks: LinkClicks): LinkClicks {
    const { maxBytes = MAX_BYTES, onStripped } = this.#options;
    if (this.#bytes < maxBytes || clicks.values.length + clicks.visitors.length === 0) return clicks;
    onStripped?.(clicksIn(clicks));
    return withoutDimensions(clicks);
  }

  /**
   * Sends all clicks that wait. When the server does not confirm, the rest waits for the next call. Never
   * rejects.
   *
   * Pauses between two INSERTs, unless half of `maxKeys` waits. No client waits for clicks, and many INSERTs
   * in a row would delay the INSERTs that clients wait for. A call during a flush ends the pauses of that
   * one: what it stores has waited for an interval. After a slow INSERT, a pause would last for several
   * intervals, and `kill -9` would lose what is counted meanwhile.
   */
  async flush(): Promise<void> {
    this.#listed.makeDue();
    if (this.#flushing !== undefined) this.#rests.abort();
    else this.#flushing = this.#sendAll().finally(() => (this.#flushing = undefined));
    return this.#flushing;
  }

  /** No pauses from now on, because the process is stopping. */
  hurry(): void {
    this.#isHurried = true;
    this.#rests.abort();
  }

  async #sendAll(): Promise<void> {
    const { db, isUp, maxKeys, onStored } = this.#options;
    if (!this.#isHurried) this.#rests = new AbortController();
    while (this.#hasDue) {
      // In a later turn: links that are listed in this one have no click yet.
      await nextTurn();
      if (!isUp()) return this.#setAside();
      this.#sending ??= await this.#takeNext();
      if (this.#sending === undefined) return;
      const { links } = this.#sending;
      const startedMs = monotonicMs();
      try {
        await db.add(this.#sending);
        onStored(links.reduce((sum, link) => sum + clicksIn(link), 0));
        this.#sending = undefined;
      } catch (error) {
        if (!this.#takeApart(error, links)) return;
      }
      if (this.#hasDue && this.size < maxKeys / 2)
        await pauseQuietly(restAfter(monotonicMs() - startedMs), this.#rests.signal);
    }
  }

  /**
   * After a failure: whether it was a refusal for good, and there are parts to go on with. The clicks of one
   * link are dropped when the server refuses them even without dimensions.
   */
  #takeApart(error: unknown, links: readonly LinkClicks[]): boolean {
    const { db, log, onDropped, onStripped } = this.#options;
    const urlsDb = db.name;
    if (!isRefusedForGood(error)) {
      const isExpected = error instanceof StoreUnavailableError || error instanceof OutcomeUnknownError;
      log[isExpected ? 'debug' : 'error'](
        { error, urlsDb },
        'clicks not confirmed; the flush will be repeated',
      );
      return false;
    }
    const parts = splitRefused(links);
    this.#sending = undefined;
    this.#parts.unshift(...parts);
    if (links.length > 1) return true;
    const clicks = links.reduce((sum, link) => sum + clicksIn(link), 0);
    if (parts.length === 0) onDropped(clicks);
    else onStripped?.(clicks);
    log.error(
      { error, urlsDb, key: links[0]?.key, clicks },
      parts.length > 0
        ? 'the server refuses what was counted for a link; its dimensions are dropped'
        : 'the server refuses the clicks of a link; they are dropped',
    );
    return true;
  }

  async #takeNext(): Promise<ClickFlush | undefined> {
    if (this.#parts.length === 0) this.#parts.push(this.#takeWaiting());
    const [links = []] = this.#parts;
    // Only if nothing else waits: a flush must not have a key twice.
    if (links.length === 0) await this.#takeDue(links);
    this.#parts.shift();
    if (links.length === 0) return undefined;
    this.#seq += 1;
    return { source: this.#options.source, seq: this.#seq, links };
  }

  /** Those that are due now: others may have been taken already, and be listed again. */
  async #takeDue(links: LinkClicks[]): Promise<void> {
    const turns = new Turns(ROWS_PER_TURN);
    let [left, rows] = [Math.min(this.#listed.dueSize, MAX_LINKS), 0];
    for (; left > 0 && rows < MAX_ROWS; left -= 1) {
      const clicks = this.#listed.takeDue().take();
      links.push(clicks);
      rows += rowsOf(clicks);
      await turns.did(rowsOf(clicks));
    }
  }

  /**
   * While the server is down, what waits for it takes a bounded number of bytes, and the links may forget
   * their values.
   */
  async #setAside(): Promise<void> {
    const turns = new Turns(ROWS_PER_TURN);
    while (this.#listed.dueSize > 0) {
      const clicks = this.#listed.takeDue().take();
      this.add(clicks);
      await turns.did(rowsOf(clicks));
    }
  }

  #takeWaiting(): LinkClicks[] {
    const all = this.#waiting.values();
    const count = countNext(this.#waiting.values().map(({ clicks }) => clicks));
    return [...all.take(count)].map(({ clicks, bytes }) => {
      this.#waiting.delete(clicks.key);
      this.#bytes -= bytes;
      return clicks;
    });
  }
}
