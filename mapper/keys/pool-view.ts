import type { Pool } from '../../db/redis/pool.ts';
import type { Breaker } from '../../runtime/breaker.ts';

/** How long a pool that handed out a bound key is drawn from last, unless a checked take shows it clean before. */
const SUSPICION_MS = 30_000;

/** One pool as the mapper sees it: the connection, its health, and the level it last told. */
export class PoolView {
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

  /** Last known LLEN: it comes back with every take and with the poll. */
  get level(): number {
    return this.#level;
  }

  get isHealthy(): boolean {
    return this.#breaker.isClosed && this.pool.isConnected;
  }

  /** Handed out a key that was bound already: perhaps a Redis restored from an old snapshot, and then full of such keys. */
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

  /** Asks for the level: keeps it fresh while the pool is healthy, and is the trial that closes its breaker again. */
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
 * In which order to draw: healthy pools only; clean before suspect; then the fullest by last known level.
 * Pools last seen empty stay in the list, at its end: they may have been refilled a moment ago.
 */
export function inDrawOrder(pools: readonly PoolView[]): PoolView[] {
  return pools
    .filter((view) => view.isHealthy)
    .sort((a, b) => Number(a.isSuspect) - Number(b.isSuspect) || b.level - a.level);
}
