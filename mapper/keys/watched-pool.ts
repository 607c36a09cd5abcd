import type { Pool } from '../../db/redis/pool.ts';
import type { Breaker } from '../../runtime/breaker.ts';

/**
 * How long a pool that handed out a bound key is drawn from last. A take without any bound key ends it
 * sooner.
 */
const SUSPICION_MS = 30_000;

/** A pool of keys, and the mapper's observations of it: health, level, and whether its keys are suspect. */
export class WatchedPool {
  readonly pool: Pool;
  readonly #breaker: Breaker;
  readonly #now: () => number;
  #level = 0;
  #suspectUntilMs = 0;

  constructor(pool: Pool, breaker: Breaker, now: () => number) {
    this.pool = pool;
    this.#breaker = breaker;
    this.#now = now;
  }

  get name(): string {
    return this.pool.name;
  }

  /** Last known number of keys: every take and every poll returns it. */
  get level(): number {
    return this.#level;
  }

  get isHealthy(): boolean {
    return this.#breaker.isClosed && this.pool.isConnected;
  }

  /**
   * It handed out a key that was bound already. A Redis restored from an old snapshot is full of such keys.
   */
  get isSuspect(): boolean {
    return this.#now() < this.#suspectUntilMs;
  }

  answered(level: number): void {
    this.#level = level;
    this.#breaker.succeeded();
  }

  failed(): void {
    this.#breaker.failed();
  }

  suspect(): void {
    this.#suspectUntilMs = this.#now() + SUSPICION_MS;
  }

  clear(): void {
    this.#suspectUntilMs = 0;
  }

  /**
   * Reads the level. While the pool is healthy this keeps the level fresh; otherwise it is the trial that can
   * close the breaker.
   */
  async poll(timeoutMs: number): Promise<void> {
    if (!this.#breaker.isClosed && !this.#breaker.tryTrial()) return;
    try {
      this.answered(await this.pool.level({ timeoutMs }));
    } catch {
      this.failed();
    }
  }
}

/**
 * The healthy pools in the order in which to draw: clean before suspect, then the fullest by last known
 * level. A pool last seen empty stays in the list, because it may have been refilled since.
 */
export function inDrawOrder(pools: readonly WatchedPool[]): WatchedPool[] {
  return pools
    .filter(({ isHealthy }) => isHealthy)
    .sort((a, b) => Number(a.isSuspect) - Number(b.isSuspect) || b.level - a.level);
}
