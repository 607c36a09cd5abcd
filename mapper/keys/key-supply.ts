import type { TakenKey } from './taken-key.ts';
import { setImmediate } from 'node:timers/promises';
import { KeymillError } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { hasKeyShape } from '../../db/keyspace/alias.ts';
import { inDrawOrder, type PoolView } from './pool-view.ts';
import { Reserve } from './reserve.ts';
import type { UrlsServer } from '../urls/urls-server.ts';

/** Thrown when no healthy pool had a key. Nothing to wait for: answer 503. */
export class NoKeysError extends KeymillError {
  constructor() {
    super('NO_KEYS', 'no key pool has a key to give');
  }
}

export interface KeySupplyOptions {
  readonly pools: readonly PoolView[];
  /** Most keys held ready. How many really are follows the demand. */
  readonly reserve: number;
  /** Characters of a key. */
  readonly keyLength: number;
  /** Where the link of a key lies. */
  readonly serverFor: (key: string) => UrlsServer;
  /** Which of these keys are bound already, read in one go; keys whose urls server is down count as free. */
  readonly findBound: (keys: readonly string[]) => Promise<ReadonlySet<string>>;
  /** Told how many keys were given up, and why. */
  readonly onDropped: (count: number, reason: DropReason) => void;
  readonly now: () => number;
  readonly log: Log;
}

/**
 * `malformed`: no key at all; `duplicate`: bound already; `slot_down`: its urls server is down; `unresolved`: its INSERT may have happened;
 * `outdated`: held longer than any mapper may; `not_returned`: Redis did not take it back.
 */
export type DropReason = 'malformed' | 'duplicate' | 'slot_down' | 'unresolved' | 'outdated' | 'not_returned';

interface Waiter {
  readonly resolve: (taken: TakenKey) => void;
  readonly reject: (error: Error) => void;
}

/** Long enough for a busy machine; while a Redis hangs only one take pays it, for then the pool counts as away. */
const TAKE_TIMEOUT_MS = 500;
/** All takes on behalf of the requests that wait now. */
const ROUND_TIMEOUT_MS = 1_500;
/** Held ready even when nothing was asked for lately. */
const IDLE_RESERVE = 8;
/** Taken at once from a suspect pool, to get past its bound keys. */
const SUSPECT_TAKE = 256;
const DEMAND_WINDOW_MS = 1_000;

/**
 * Keys for requests, with as little of Redis as can be: concurrent requests share one take, and a reserve as large as the demand
 * of the last second (bounded) is topped up in the background, so that a Redis hiccup is not felt.
 *
 * Every key taken stays in `held` until it is bound, dropped or back in its pool: what the audit is told is complete.
 */
export class KeySupply {
  readonly #options: KeySupplyOptions;
  readonly #held = new Set<TakenKey>();
  readonly #reserve = new Reserve();
  #waiters: Waiter[] = [];
  #refilling: Promise<void> | undefined;
  #isClosed = false;
  #windowStartedMs = 0;
  #drawnInWindow = 0;
  #drawnBefore = 0;

  constructor(options: KeySupplyOptions) {
    this.#options = options;
  }

  /** Every key taken and not yet settled. */
  heldKeys(): string[] {
    return Array.from(this.#held, ({ key }) => key);
  }

  get reserveSize(): number {
    return this.#reserve.size;
  }

  /**
   * A key for one request, if there is one in reserve; settle it with {@link bound}, {@link dropped}, {@link duplicate} or {@link giveBack}.
   * @param wanted the server on which the link had best lie; when there is no key of its, one is given of which there are most
   */
  tryDraw(wanted?: UrlsServer): TakenKey | undefined {
    const taken = this.#waiters.length === 0 ? this.#reserve.take(wanted) : undefined;
    if (taken === undefined) return undefined;
    this.#countDraw();
    if (this.#reserve.size <= this.#target() / 2) this.#refill();
    return taken;
  }

  /** {@link tryDraw}, or waits for the next take. @throws NoKeysError */
  async draw(): Promise<TakenKey> {
    const taken = this.tryDraw();
    if (taken !== undefined) return taken;
    this.#countDraw();
    if (this.#isClosed) throw new NoKeysError();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#refill();
    });
  }

  bound(taken: TakenKey): void {
    this.#held.delete(taken);
  }

  dropped(taken: TakenKey, reason: DropReason): void {
    this.#drop([taken], reason);
  }

  /** The key was never tried: the next request may have it. */
  giveBack(taken: TakenKey): void {
    this.#accept([taken]);
  }

  /** The key turned out to be bound: whatever else came from that pool is checked before use, and the pool is drawn from last. */
  duplicate(taken: TakenKey): void {
    const { from } = taken;
    if (!from.isSuspect) {
      this.#options.log.warn(
        { pool: from.name, key: taken.key },
        'a pool handed out a key that is bound already',
      );
    }
    from.suspect();
    this.#drop([taken], 'duplicate');
    const suspects = this.#reserve.remove((other) => other.from === from);
    if (suspects.length === 0) return;
    void this.#withoutBound(suspects).then((free) => this.#accept(free));
  }

  /**
   * Returns keys that were not needed for `maxAgeMs`. A mapper that the audit cannot see (cut off, stopped) then holds none
   * for as long as the quarantine, after which they would be recycled. Keys twice as old are given up instead: this process
   * has been stopped, and they may have been recycled.
   */
  async returnOlderThan(maxAgeMs: number): Promise<void> {
    const now = this.#options.now();
    const isOlder =
      (ageMs: number) =>
      ({ takenAtMs }: TakenKey): boolean =>
        now - takenAtMs > ageMs;
    const old = this.#reserve.remove(isOlder(maxAgeMs));
    if (old.length === 0) return;
    const outdated = old.filter(isOlder(2 * maxAgeMs));
    this.#drop(outdated, 'outdated');
    await this.#return(old.filter((taken) => !outdated.includes(taken)));
  }

  /** Returns the reserve to the heads of its pools. Call when no request is under way any more; later arrivals go back at once. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#rejectWaiters();
    await this.#refilling;
    await this.#return(this.#reserve.removeAll());
  }

  #refill(): void {
    if (this.#refilling !== undefined || this.#isClosed) return;
    this.#refilling = this.#takeRound()
      .catch((error: unknown) => this.#options.log.error({ error }, 'taking keys failed'))
      .finally(() => {
        this.#refilling = undefined;
        if (this.#waiters.length > 0) this.#refill();
      });
  }

  /** Takes from one pool after another until nobody waits; then, or when every pool has been tried, it is over. */
  async #takeRound(): Promise<void> {
    // Whoever asks in this turn of the event loop is served by the same take.
    await setImmediate();
    const deadlineMs = this.#options.now() + ROUND_TIMEOUT_MS;
    const tried = new Set<PoolView>();
    for (;;) {
      const view = inDrawOrder(this.#options.pools).find((candidate) => !tried.has(candidate));
      if (view === undefined || this.#isClosed || this.#options.now() > deadlineMs) break;
      const wasExhausted = await this.#takeFrom(view);
      if (wasExhausted) tried.add(view);
      if (this.#waiters.length === 0) return;
    }
    this.#rejectWaiters();
  }

  /** @returns whether the pool has nothing more to give just now */
  async #takeFrom(view: PoolView): Promise<boolean> {
    const wanted = this.#waiters.length + Math.max(0, this.#target() - this.#reserve.size);
    const count = Math.max(1, view.isSuspect ? Math.max(wanted, SUSPECT_TAKE) : wanted);
    try {
      const { keys, level } = await view.pool.take(count, {
        timeoutMs: TAKE_TIMEOUT_MS,
        onLateKeys: (late) => this.#accept(this.#hold(view, late)),
      });
      view.answered(level);
      let taken = this.#hold(view, keys);
      if (view.isSuspect) {
        taken = await this.#withoutBound(taken);
        if (keys.length > 0 && taken.length === keys.length) view.clear();
      }
      this.#accept(taken);
      return keys.length < count;
    } catch (error) {
      view.failed();
      this.#options.log.debug({ error, pool: view.name }, 'take failed');
      return true;
    }
  }

  #hold(from: PoolView, keys: readonly string[]): TakenKey[] {
    const { now, serverFor } = this.#options;
    const takenAtMs = now();
    const taken = keys
      .filter((key) => this.#isKey(key))
      .map((key) => ({ key, from, takenAtMs, server: serverFor(key) }));
    for (const one of taken) this.#held.add(one);
    const malformed = keys.length - taken.length;
    if (malformed > 0) {
      this.#options.log.error({ pool: from.name, malformed }, 'a pool holds what is no key: dropped');
      this.#options.onDropped(malformed, 'malformed');
    }
    return taken;
  }

  /** A link under anything else could never be followed. */
  #isKey(text: string): boolean {
    return text.length === this.#options.keyLength && hasKeyShape(text);
  }

  /** To those who wait, the rest to the reserve. */
  #accept(taken: readonly TakenKey[]): void {
    for (const one of taken) {
      const waiter = this.#waiters.shift();
      if (waiter === undefined) this.#reserve.add(one);
      else waiter.resolve(one);
    }
    if (this.#isClosed) void this.#return(this.#reserve.removeAll());
  }

  async #withoutBound(taken: readonly TakenKey[]): Promise<TakenKey[]> {
    try {
      const bound = await this.#options.findBound(taken.map(({ key }) => key));
      this.#drop(
        taken.filter(({ key }) => bound.has(key)),
        'duplicate',
      );
      return taken.filter(({ key }) => !bound.has(key));
    } catch (error) {
      // Unchecked keys are still safe to try: the primary key refuses the bound ones.
      this.#options.log.warn({ error }, 'suspect keys could not be checked');
      return [...taken];
    }
  }

  #drop(taken: readonly TakenKey[], reason: DropReason): void {
    for (const one of taken) this.#held.delete(one);
    if (taken.length > 0) this.#options.onDropped(taken.length, reason);
  }

  async #return(unused: readonly TakenKey[]): Promise<void> {
    const byPool = Map.groupBy(unused, ({ from }) => from);
    await Promise.all(
      Array.from(byPool, async ([view, taken]) => {
        try {
          await view.pool.putBack(taken.map(({ key }) => key));
          for (const one of taken) this.#held.delete(one);
        } catch (error) {
          this.#options.log.warn(
            { error, pool: view.name, keys: taken.length },
            'keys could not be returned',
          );
          this.#drop(taken, 'not_returned');
        }
      }),
    );
  }

  #rejectWaiters(): void {
    for (const { reject } of this.#waiters.splice(0)) reject(new NoKeysError());
  }

  #countDraw(): void {
    const now = this.#options.now();
    if (now - this.#windowStartedMs >= DEMAND_WINDOW_MS) {
      this.#drawnBefore = now - this.#windowStartedMs < 2 * DEMAND_WINDOW_MS ? this.#drawnInWindow : 0;
      this.#drawnInWindow = 0;
      this.#windowStartedMs = now;
    }
    this.#drawnInWindow += 1;
  }

  #target(): number {
    const demand = Math.max(this.#drawnBefore, this.#drawnInWindow);
    return Math.min(this.#options.reserve, Math.max(IDLE_RESERVE, demand));
  }
}
