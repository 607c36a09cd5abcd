import { setImmediate } from 'node:timers/promises';
import { KeymillError } from '../../runtime/errors.ts';
import type { UrlsServer } from '../urls/urls-server.ts';
import { Demand } from './demand.ts';
import { HeldKeys, type DropReason, type HeldKeysOptions } from './held-keys.ts';
import { returnMalformed, type MalformedTake } from './malformed-keys.ts';
import { isPoolKey } from '../../db/keyspace/pool-key.ts';
import type { KeySource } from './key-source.ts';
import { Reserve } from './reserve.ts';
import type { TakenKey } from './taken-key.ts';
import { inDrawOrder } from './watched-pool.ts';

/** No healthy pool had a key. Waiting would not help: answer 503. */
export class NoKeysError extends KeymillError {
  constructor() {
    super('NO_KEYS', 'no key pool has a key to give');
  }
}

export interface KeySupplyOptions extends HeldKeysOptions {
  /** Characters of a key. */
  readonly keyLength: number;
  readonly pools: readonly KeySource[];
  /** Most keys held ready; {@link Demand} decides how many are. */
  readonly reserve: number;
  /** Reads which of these keys are bound already. Keys whose urls server is down count as free. */
  readonly findBound: (keys: readonly string[]) => Promise<ReadonlySet<string>>;
}

interface Waiter {
  readonly resolve: (taken: TakenKey) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Long enough for a busy machine. While a Redis hangs only one take waits for this long: then the pool counts
 * as down.
 */
const TAKE_TIMEOUT_MS = 500;
/** After this and a take that failed, no further take begins for the requests that wait now. */
const ROUND_TIMEOUT_MS = 1_500;
/** The fewest keys of one take from a suspect pool, to get past its bound keys. */
const SUSPECT_TAKE = 256;

/**
 * Keys for requests, with few calls to Redis: concurrent requests share one take, and a reserve that follows
 * the demand is refilled in the background, so that requests do not notice a short pause of Redis.
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

  /** Every key that this mapper holds. */
  heldKeys(): string[] {
    return this.#held.keys();
  }

  get reserveSize(): number {
    return this.#reserve.size;
  }

  /**
   * A key from the reserve for one request. The caller releases it by {@link bound}, {@link dropped},
   * {@link unused} or {@link duplicate}.
   * @param preferred server of the link. If the reserve has no key for it, takes one for the server with the
   * most keys
   * @returns undefined when the reserve is empty, or other requests wait already
   */
  tryDraw(preferred?: UrlsServer): TakenKey | undefined {
    const taken = this.#waiters.length === 0 ? this.#reserve.take(preferred) : undefined;
    if (taken === undefined) return undefined;
    this.#demand.countDraw(this.#options.now());
    if (this.#reserve.size <= this.#demand.target / 2) this.#refill();
    return taken;
  }

  /** A key from the reserve, or else from the next take. @throws NoKeysError */
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

  /**
   * Keys for many links: one take from each pool that is needed, and none from the reserve, which is for
   * single requests. It takes at most half of a pool, so that a pool that is nearly empty has some left for
   * them. The caller releases each key like one of {@link tryDraw}. Never rejects.
   * @returns fewer keys when the pools have no more to give now; all pools are empty if there is none
   */
  async drawMany(count: number): Promise<TakenKey[]> {
    const drawn: TakenKey[] = [];
    for (const pool of inDrawOrder(this.#options.pools)) {
      const missing = count - drawn.length;
      if (missing <= 0 || this.#isClosed) break;
      const most = Math.max(1, Math.ceil(pool.level / 2));
      const { keys } = await this.#take(pool, Math.min(missing, most));
      for (const key of keys) drawn.push(key);
    }
    return drawn;
  }

  bound(taken: TakenKey): void {
    this.#held.release(taken);
  }

  dropped(taken: TakenKey, reason: DropReason): void {
    this.#held.drop([taken], reason);
  }

  /** The key was not used, and is in no store: the next request may have it. */
  unused(taken: TakenKey): void {
    this.#accept([taken]);
  }

  /**
   * The key is bound already. All other keys of that pool are checked before use, and the pool is drawn from
   * last.
   */
  duplicate(taken: TakenKey): void {
    const { from } = taken;
    if (!from.isSuspect) {
      this.#options.log.warn(
        { pool: from.name, key: taken.key },
        'a pool handed out a key that is bound already',
      );
    }
    from.suspect(taken.key);
    this.#held.drop([taken], 'duplicate');
    const suspects = this.#reserve.remove((other) => other.from === from);
    if (suspects.length === 0) return;
    void this.#withoutBound(suspects).then((free) => this.#accept(free));
  }

  /**
   * Returns keys that were not needed for `maxAgeMs`, which is less than the quarantine: a key that no store
   * has is recycled after the quarantine, and the audit cannot ask a mapper that is cut off or suspended.
   *
   * Keys twice as old are dropped instead. This process must have been suspended, and they may have been
   * recycled meanwhile.
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

  /**
   * Returns the reserve to its pools. Call when no request is in flight; keys that arrive later are returned
   * immediately.
   */
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

  /** Takes from one pool after another until no request waits or every pool has been tried. */
  async #takeRound(): Promise<void> {
    // All requests of this turn of the event loop share the take.
    await setImmediate();
    const deadlineMs = this.#options.now() + ROUND_TIMEOUT_MS;
    const tried = new Set<KeySource>();
    for (;;) {
      const next = inDrawOrder(this.#options.pools).find((candidate) => !tried.has(candidate));
      if (next === undefined || this.#isClosed) break;
      const result = await this.#takeFrom(next);
      if (result !== 'more') tried.add(next);
      if (this.#waiters.length === 0) return;
      // A take that succeeds late was delayed by this process: the pools have keys.
      if (result === 'failed' && this.#options.now() > deadlineMs) break;
    }
    this.#rejectWaiters();
  }

  /** @returns whether the pool has more to give now */
  async #takeFrom(from: KeySource): Promise<'more' | 'exhausted' | 'failed'> {
    const needed = this.#waiters.length + Math.max(0, this.#demand.target - this.#reserve.size);
    const count = Math.max(1, from.isSuspect ? Math.max(needed, SUSPECT_TAKE) : needed);
    const { keys, result } = await this.#take(from, count);
    this.#accept(keys);
    return result;
  }

  /** Takes keys that nobody holds yet. The caller holds them then. */
  async #take(
    from: KeySource,
    count: number,
  ): Promise<{ readonly keys: TakenKey[]; readonly result: 'more' | 'exhausted' | 'failed' }> {
    try {
      const { keys, level } = await from.pool.take(count, {
        timeoutMs: TAKE_TIMEOUT_MS,
        onLateKeys: (late) => this.#accept(this.#hold(from, late)),
      });
      from.answered(level);
      let taken = this.#hold(from, keys);
      if (from.isSuspect) {
        taken = await this.#withoutBound(taken);
        if (keys.length > 0 && taken.length === keys.length) from.clear();
      }
      return { keys: taken, result: keys.length < count || !from.isHealthy ? 'exhausted' : 'more' };
    } catch (error) {
      from.failed(error);
      this.#options.log.debug({ error, pool: from.name }, 'take failed');
      return { keys: [], result: 'failed' };
    }
  }

  /** Holds the keys of a take. Texts that are no keys end the drawing from this pool. */
  #hold(from: KeySource, texts: readonly string[]): TakenKey[] {
    const { keyLength } = this.#options;
    const keys = texts.filter((text) => isPoolKey(text, keyLength));
    if (keys.length < texts.length) {
      const malformed = texts.filter((text) => !isPoolKey(text, keyLength));
      void this.#putAside({ from, malformed, hadKeys: keys.length > 0 });
    }
    return this.#held.hold(from, keys);
  }

  async #putAside(take: MalformedTake): Promise<void> {
    const { onDropped, log } = this.#options;
    const dropped = await returnMalformed(take, log);
    if (dropped > 0) onDropped(dropped, 'malformed');
  }

  /** Gives keys to the requests that wait; the rest goes to the reserve. */
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
      // Trying unchecked keys is safe: the primary key of `urls` refuses the bound ones.
      this.#options.log.warn({ error }, 'suspect keys could not be checked');
      return [...taken];
    }
  }

  #rejectWaiters(): void {
    for (const { reject } of this.#waiters.splice(0)) reject(new NoKeysError());
  }
}
