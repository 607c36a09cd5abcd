import type { Socket } from 'node:net';
import { HOUR_MS } from '../../db/clicks/click-flush.ts';
import { pollEvery } from '../../runtime/polling.ts';
import { pauseQuietly, withDeadline } from '../../runtime/retry.ts';
import { Turns } from '../../runtime/turns.ts';
import type { ClickLedger } from './click-ledger.ts';
import { ClickResolver } from './click-resolver.ts';
import { ClickRing, type ClickSender, type RawClick } from './click-ring.ts';
import { HeldValues } from './held-values.ts';
import { LinkCounts } from './link-counts.ts';
import { UNRESOLVED, type ClickListener, type ResolveClick, type Resolved } from './resolved-click.ts';

/** What is read of a request whose link was followed, now or later. */
export interface ClickedRequest {
  /** A text with its header fields, from `headStart` on. */
  readonly head: string;
  readonly headStart: number;
  readonly peer: Socket;
}

/** Counts every link that is followed. It is on the path of a redirect, so it must cost almost nothing. */
export interface Clicks {
  /** Counts one GET that is answered with a redirect. Never throws. */
  count(key: string, request: ClickedRequest): void;
}

export interface ClickCounterOptions {
  /** One per urls server. */
  readonly ledgers: readonly ClickLedger[];
  readonly ledgerFor: (key: string) => ClickLedger;
  /** How long clicks are gathered. `kill -9` loses the clicks of this time, and those being stored. */
  readonly flushMs: number | (() => number);
  /** As that of the ledgers. At half of it, links are forgotten that nobody follows any more. */
  readonly maxKeys: number;
  /** How headers are read. Undefined: they are not, and each click counts as that of a person. */
  readonly resolve?: ResolveClick | undefined;
  readonly senderOf?: (peer: Socket) => ClickSender;
  readonly onDropped: (clicks: number) => void;
  /** A click was counted without a look at its headers, because too many waited. */
  readonly onUnresolved?: () => void;
  /** Wall clock in ms. */
  readonly now: () => number;
}

/** Links looked at in one turn of the event loop. */
const LINKS_PER_TURN = 500;
const CLOSE_TIMEOUT_MS = 2_000;
const CLOSE_RETRY_MS = 50;

/** Some seconds of a busy process. */
const MAX_WAITING = 16_384;
/** A request has some 500 bytes. */
const MAX_WAITING_BYTES = 16 * 2 ** 20;
/** Values of all links that are told apart: some 30 MB. */
const MAX_VALUES_HELD = 300_000;

/**
 * Counts clicks in memory, and has the ledgers of the urls servers store them every `flushMs`. A click first
 * waits in a ring, and is counted when its headers are looked at, a moment later.
 *
 * Its memory is bounded. When the ring is full, clicks are counted without their dimensions. Clicks of more
 * keys than the bound are dropped and counted as dropped. Redirects continue.
 */
export class ClickCounter implements Clicks {
  readonly #options: ClickCounterOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  readonly #ring = new ClickRing({ capacity: MAX_WAITING, maxBytes: MAX_WAITING_BYTES });
  readonly #resolver: ClickResolver;
  /** Links that were followed lately, the oldest first. They stay when their counts are taken. */
  readonly #links = new Map<string, LinkCounts>();
  readonly #held = new HeldValues(MAX_VALUES_HELD);
  #round = 0;

  constructor(options: ClickCounterOptions) {
    this.#options = options;
    this.#resolver = new ClickResolver({
      ring: this.#ring,
      resolve: options.resolve ?? (() => UNRESOLVED),
      onResolved: (clicks, resolved) => this.#addAll(clicks, resolved),
    });
    this.#running = pollEvery(options.flushMs, this.#stopping.signal, async () => this.#beginFlush());
  }

  /** Distinct keys whose clicks are not stored yet, and clicks whose keys are not looked at. */
  get size(): number {
    return this.#options.ledgers.reduce((sum, ledger) => sum + ledger.size, this.#ring.size);
  }

  listen(listener: ClickListener): void {
    this.#resolver.listen(listener);
  }

  count(key: string, request: ClickedRequest): void {
    const { resolve, senderOf, onUnresolved, now } = this.#options;
    const atMs = now();
    if (resolve !== undefined) {
      const sender = senderOf?.(request.peer);
      if (this.#ring.push(key, atMs, request.head, request.headStart, sender)) {
        if (this.#ring.size === 1) this.#resolver.wake();
        return;
      }
      onUnresolved?.();
    }
    this.#linkOf(key, hourOf(atMs))?.countUnresolved();
    this.#resolver.skip(key, atMs);
  }

  /** Stores the counted clicks, for a bounded time. @returns the number of keys that lost clicks */
  async close(): Promise<number> {
    this.#stopping.abort();
    for (const ledger of this.#options.ledgers) ledger.hurry();
    await this.#resolver.close();
    await this.#running;
    await withDeadline('storing clicks', CLOSE_TIMEOUT_MS, async (signal) => {
      while (this.size > 0 && !signal.aborted) {
        await Promise.all(this.#options.ledgers.map(async (ledger) => ledger.flush()));
        if (this.size > 0) await pauseQuietly(CLOSE_RETRY_MS, signal);
      }
    }).catch(() => undefined);
    return this.size;
  }

  #addAll(clicks: readonly RawClick[], resolved: readonly Resolved[]): void {
    for (let from = 0; from < clicks.length;) from = this.#addHour(clicks, resolved, from);
  }

  /**
   * Adds clicks from one place on, as long as they are of the same hour: to find a link for another hour
   * turns it to that hour.
   * @returns the place behind them
   */
  #addHour(clicks: readonly RawClick[], resolved: readonly Resolved[], from: number): number {
    const hour = hourOf(clicks[from]?.atMs ?? 0);
    const links: (LinkCounts | undefined)[] = [];
    for (let at = from; at < clicks.length; at += 1) {
      const { key, atMs } = clicks[at] as RawClick;
      if (hourOf(atMs) !== hour) break;
      links.push(this.#linkOf(key, hour));
    }
    for (const [index, link] of links.entries()) link?.count(resolved[from + index] as Resolved);
    return from + links.length;
  }

  /** Where a click of this hour is counted. Undefined: there are too many keys, and it is dropped. */
  #linkOf(key: string, hour: number): LinkCounts | undefined {
    const link = this.#links.get(key);
    if (link?.isListed !== true) return this.#list(key, hour, link);
    if (link.hour !== hour) this.#turn(link, hour);
    return link;
  }

  #list(key: string, hour: number, known: LinkCounts | undefined): LinkCounts | undefined {
    const { ledgerFor, onDropped } = this.#options;
    const ledger = ledgerFor(key);
    if (!ledger.mayList(key)) {
      onDropped(1);
      return undefined;
    }
    const link = known ?? new LinkCounts(key, hour, this.#held);
    if (known === undefined) this.#links.set(key, link);
    link.list(this.#round);
    ledger.list(link);
    if (link.hour !== hour) this.#turn(link, hour);
    return link;
  }

  /** A click of another hour: those of the hour before are handed over alone. */
  #turn(link: LinkCounts, hour: number): void {
    if (!link.isEmpty) this.#options.ledgerFor(link.key).add(link.take());
    link.turnTo(hour);
  }

  /**
   * Does not wait for the flushes, so that a server that hangs delays neither the others nor the next round.
   */
  async #beginFlush(): Promise<void> {
    this.#round += 1;
    await this.#forget();
    for (const ledger of this.#options.ledgers) void ledger.flush();
  }

  /** Forgets links when there are too many, or too many values: first those that nobody follows any more. */
  async #forget(): Promise<void> {
    const isTooMuch = (): boolean => this.#links.size > this.#options.maxKeys / 2 || this.#held.isTooMany;
    const turns = new Turns(LINKS_PER_TURN);
    for (const isOld of [(link: LinkCounts) => link.round < this.#round - 1, () => true]) {
      if (!isTooMuch()) return;
      for (const link of this.#links.values()) {
        await turns.did(1);
        if (link.isListed || !isOld(link)) continue;
        this.#links.delete(link.key);
        link.forgetValues();
        if (!isTooMuch()) return;
      }
    }
  }
}

function hourOf(atMs: number): number {
  return Math.floor(atMs / HOUR_MS);
}
