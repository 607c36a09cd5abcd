import type { Pool } from '../../db/redis/pool.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { PoolLimits } from '../../runtime/config/config.ts';
import { pauseQuietly } from '../../runtime/retry.ts';
import { Bell } from '../bell.ts';
import { DrainRate } from './drain-rate.ts';
import { RefusedPools } from './refused-pools.ts';
import { mustFill, watermarks, type Watermarks } from './watermarks.ts';

/** A pool as last seen by this worker. */
export interface PoolLevel extends Watermarks {
  readonly name: string;
  readonly isAnswering: boolean;
  readonly level: number;
  readonly isFilling: boolean;
}

/** A pool has begun or ceased to answer. */
export type OnAnswering = (pool: string, isAnswering: boolean) => void;

const POLL_MS = 100;
const POLL_TIMEOUT_MS = 250;

/**
 * Levels, drain rates and watermarks of all pools, shared by the reigns of one worker. Polls only while a
 * shard is held: a worker without one fills no pool.
 */
export class PoolLevels {
  readonly refused = new RefusedPools();
  readonly #pools: readonly Pool[];
  readonly #limits: PoolLimits;
  readonly #seen = new Map<string, { level: PoolLevel; drain: DrainRate }>();
  readonly #needed = new Bell();
  readonly #watchers = new Set<Bell>();
  readonly #onAnswering: OnAnswering | undefined;
  #heldShards = 1;

  constructor(pools: readonly Pool[], limits: PoolLimits, onAnswering?: OnAnswering) {
    this.#onAnswering = onAnswering;
    this.#pools = pools;
    this.#limits = limits;
    for (const { name } of pools) {
      const level = { name, isAnswering: false, level: 0, isFilling: false, ...watermarks(0, limits) };
      this.#seen.set(name, { level, drain: new DrainRate() });
    }
  }

  /** Records how many shards are held in the whole cluster. Every holder refills its share of a deficit. */
  observeHeldShards(count: number): void {
    this.#heldShards = Math.max(1, count);
  }

  get heldShards(): number {
    return this.#heldShards;
  }

  all(): PoolLevel[] {
    return [...this.#seen.values()].map(({ level }) => level);
  }

  /**
   * Whether `keys` more fit below the high watermark. A pool at or below its low one has room for any number.
   */
  hasRoom(name: string, keys: number): boolean {
    const pool = this.#seen.get(name)?.level;
    if (pool?.isAnswering !== true) return false;
    return pool.level <= pool.low || pool.level + keys <= pool.high;
  }

  /** Whether a reign needs the levels, so that they are polled. */
  get isWatched(): boolean {
    return this.#watchers.size > 0;
  }

  /** Rings `bell` whenever a pool needs keys, until disposed. */
  watch(bell: Bell): Disposable {
    this.#watchers.add(bell);
    this.#needed.ring();
    return { [Symbol.dispose]: () => void this.#watchers.delete(bell) };
  }

  /** Records a level, from a poll or from the answer to a delivery. */
  observe(name: string, level: number): void {
    const seen = this.#seen.get(name);
    if (!seen) return;
    if (!seen.level.isAnswering) this.#onAnswering?.(name, true);
    seen.drain.observe(level, monotonicMs());
    const marks = watermarks(this.#drainPerPool(), this.#limits);
    const isFilling = mustFill({ level, ...marks }, seen.level.isFilling, this.#heldShards);
    seen.level = { name, isAnswering: true, level, isFilling, ...marks };
    if (isFilling) for (const bell of this.#watchers) bell.ring();
  }

  /**
   * How long the pools last at the measured drain without a refill, in seconds; infinite while nothing
   * drains.
   */
  get secondsLeft(): number {
    const answering = [...this.#seen.values()].filter(({ level }) => level.isAnswering);
    const keys = answering.reduce((sum, { level }) => sum + level.level, 0);
    const drain = answering.reduce((sum, { drain: { keysPerSecond } }) => sum + keysPerSecond, 0);
    return drain === 0 ? Infinity : keys / drain;
  }

  /** Keys per second that leave all pools; null while no reign needs the levels. */
  get keysPerSecond(): number | null {
    if (!this.isWatched) return null;
    return [...this.#seen.values()].reduce((sum, { drain }) => sum + drain.keysPerSecond, 0);
  }

  /** Call it when the pool has lost data: the fall of its level shows no takes. */
  lost(name: string): void {
    this.#seen.get(name)?.drain.skipInterval();
  }

  /**
   * Keys per second, spread evenly over the pools that answer. Mappers take from the fullest pool. With a
   * watermark from its own drain alone, that pool would be kept fuller and fuller, and its loss would cost
   * more keys.
   */
  #drainPerPool(): number {
    const pools = [...this.#seen.values()];
    const total = pools.reduce((sum, { drain }) => sum + drain.keysPerSecond, 0);
    return total / Math.max(1, pools.filter(({ level }) => level.isAnswering).length);
  }

  /** Polls every pool, independently of the others, until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#pools.map((pool) => this.#poll(pool, signal)));
  }

  async #poll(pool: Pool, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (!this.isWatched) await this.#needed.wait(POLL_MS, signal);
      else {
        await this.#look(pool);
        await pauseQuietly(POLL_MS, signal);
      }
    }
  }

  async #look(pool: Pool): Promise<void> {
    try {
      this.observe(pool.name, await pool.level({ timeoutMs: POLL_TIMEOUT_MS }));
    } catch {
      // The pool's connection logs the reason.
      const seen = this.#seen.get(pool.name);
      if (!seen) return;
      if (seen.level.isAnswering) this.#onAnswering?.(pool.name, false);
      seen.level = { ...seen.level, isAnswering: false, isFilling: false };
      // It may come back with fewer keys.
      seen.drain.skipInterval();
    }
  }
}
