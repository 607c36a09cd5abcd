import type { TakenKey } from './taken-key.ts';
import { setImmediate } from 'node:timers/promises';
import { KeymillError } from '../../runtime/errors.ts';
import { Demand } from './demand.ts';
import { HeldKeys, type DropReason, type HeldKeysOptions } from './held-keys.ts';
import { inDrawOrder, type WatchedPool } from './watched-pool.ts';
import { Reserve } from './reserve.ts';
import type { UrlsServer } from '../urls/urls-server.ts';

/** Thrown when no healthy pool had a key. Nothing to wait for: answer 503. */
export class NoKeysError extends KeymillError {
  constructor() {
    super('NO_KEYS', 'no key pool has a key to give');
  }
}

export interface KeySupplyOptions extends HeldKeysOptions {
  readonly pools: readonly WatchedPool[];
  /** Most keys held ready. How many really are follows the demand. */
  readonly reserve: number;
  /** Which of these keys are bound already, read in one go; keys whose urls server is down count as free. */
  readonly findBound: (keys: readonly string[]) => Promise<ReadonlySet<string>>;
}

interface Waiter {
  readonly resolve: (taken: TakenKey) => void;
  readonly reject: (error: Error) => void;
}

/** Long enough for a busy machine; while a Redis hangs only one take pays it, for then the pool counts as away. */
const TAKE_TIMEOUT_MS = 500;
/** All takes on behalf of the requests that wait now. */
const ROUND_TIMEOUT_MS = 1_500;
/** Taken at once from a suspect pool, to get past its bound keys. */
const SUSPECT_TAKE = 256;

/**
 * Keys for requests, with as little of Redis as can be: concurrent requests share one take, and a reserve as large as the demand
 * of the last second (bounded) is topped up in the background, so that a Redis hiccup is not felt.
 *
 * Every key taken stays in `held` until it is bound, dropped or back in its pool: what the audit is told is complete.
 */
export class KeySupply {
  readonly #options: KeySupplyOptions;
  readonly #held: HeldKeys;
  readonly #reserve = new Reserve();
  readonly #demand: Demand;
  #waiters: Waiter[] = [];
  #refilling: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: KeySupplyOptions) {
    this.#options = options;
    this.#held = new HeldKeys(options);
    this.#demand = new Demand(options.reserve);
  }

  /** Every key taken and not yet settled. */
  heldKeys(): string[] {
    return this.#held.keys();
  }

  get reserveSize(): number {
    return this.#reserve.size;
  }

  /**
   * A key for one request, if there is one in reserve; release it with {@link bound}, {@link dropped} or {@link duplicate}.
   * @param wanted the server on which the link had best lie; when there is no key of its, one is given of which there are most
   */
  tryDraw(wanted?: UrlsServer): TakenKey | undefined {
    const taken = this.#waiters.length === 0 ? this.#reserve.take(wanted) : undefined;
    if (taken === undefined) return undefined;
    this.#demand.countDraw(this.#options.now());
    if (this.#reserve.size <= this.#demand.target / 2) this.#refill();
    return taken;
  }

  /** {@link tryDraw}, or waits for the next take. @throws NoKeysError */
  async draw(): Promise<TakenKey> {
    const taken = this.tryDraw();
    if (taken !== undefined) return taken;
    this.#demand.countDraw(this.#options.now());
    if (this.#isClosed) throw new NoKeysError();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#refill();
    });
  }

  bound(taken: TakenKey): void {
    this.#held.release(taken);
  }

  dropped(taken: TakenKey, reason: DropReason): void {
    this.#held.drop([taken], reason);
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
    this.#held.drop([taken], 'duplicate');
    const suspects = this.#reserve.remove((other) => other.from === from);
    if (suspects.length === 0) return;
    void this.#withoutBound(suspects).then((free) => this.#accept(free));
  }

  /** Keys of a take that answered after its deadline. */
  receiveLate(from: WatchedPool, keys: readonly string[]): void {
    this.#accept(this.#held.hold(from, keys));
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
    this.#held.drop(outdated, 'outdated');
    await this.#held.putBack(old.filter((taken) => !outdated.includes(taken)));
  }

  /** Returns the reserve to the heads of its pools. Call when no request is under way any more; later arrivals go back at once. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#rejectWaiters();
    await this.#refilling;
    await this.#held.putBack(this.#reserve.removeAll());
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
    const tried = new Set<WatchedPool>();
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
  async #takeFrom(view: WatchedPool): Promise<boolean> {
    const wanted = this.#waiters.length + Math.max(0, this.#demand.target - this.#reserve.size);
    const count = Math.max(1, view.isSuspect ? Math.max(wanted, SUSPECT_TAKE) : wanted);
    try {
      const { keys, level } = await view.pool.take(count, { timeoutMs: TAKE_TIMEOUT_MS });
      view.answered(level);
      let taken = this.#held.hold(view, keys);
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

  /** To those who wait, the rest to the reserve. */
  #accept(taken: readonly TakenKey[]): void {
    for (const one of taken) {
      const waiter = this.#waiters.shift();
      if (waiter === undefined) this.#reserve.add(one);
      else waiter.resolve(one);
    }
    if (this.#isClosed) void this.#held.putBack(this.#reserve.removeAll());
  }

  async #withoutBound(taken: readonly TakenKey[]): Promise<TakenKey[]> {
    try {
      const bound = await this.#options.findBound(taken.map(({ key }) => key));
      this.#held.drop(
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

  #rejectWaiters(): void {
    for (const { reject } of this.#waiters.splice(0)) reject(new NoKeysError());
  }
}
