import { monotonicMs } from '../../runtime/clock.ts';
import { pause } from '../../runtime/retry.ts';
import { NoKeysError } from '../keys/key-supply.ts';
import { isPoolKey } from '../../db/keyspace/pool-key.ts';
import type { Pool } from '../../db/redis/pool.ts';
import type { KeySource } from './ports.ts';

/** Of the keys of a pool, an import takes at most this part at a time: the others are for shortens. */
const SHARE = 1 / 2;
const TIMEOUT_MS = 1_000;
/** Producers fill a pool again within some tens of milliseconds. */
const WAIT_MS = 50;
const GIVE_UP_MS = 60_000;

/**
 * Keys for imports, straight from the pools, the fullest first. An import needs more keys than all shortens
 * together. Taken through the reserve of a mapper they would make it look busy, and it would hold as many
 * keys ready afterwards.
 */
export class PoolKeys implements KeySource {
  readonly #pools: readonly Pool[];
  readonly #keyLength: number;

  /** @param keyLength characters of a key */
  constructor(pools: readonly Pool[], keyLength: number) {
    this.#pools = pools;
    this.#keyLength = keyLength;
  }

  async take(count: number, signal: AbortSignal): Promise<string[]> {
    const taken: string[] = [];
    let giveUpMs = monotonicMs() + GIVE_UP_MS;
    try {
      for (;;) {
        const before = taken.length;
        await this.#takeRound(taken, count);
        if (taken.length === count) return taken;
        if (taken.length > before) giveUpMs = monotonicMs() + GIVE_UP_MS;
        else if (monotonicMs() > giveUpMs) throw new NoKeysError();
        await pause(WAIT_MS, signal);
      }
    } catch (error) {
      await this.putBack(taken);
      throw error;
    }
  }

  async putBack(keys: readonly string[]): Promise<void> {
    const pool = this.#pools.find(({ isConnected }) => isConnected);
    // Keys that no store has are found by the audit, and used again.
    if (keys.length > 0) await pool?.putBack(keys).catch(() => undefined);
  }

  async #takeRound(taken: string[], count: number): Promise<void> {
    const levels = await Promise.all(
      this.#pools.map(async (pool) => ({
        pool,
        level: pool.isConnected ? await pool.level({ timeoutMs: TIMEOUT_MS }).catch(() => 0) : 0,
      })),
    );
    for (const { pool, level } of levels.sort((a, b) => b.level - a.level)) {
      const wanted = Math.min(count - taken.length, Math.ceil(level * SHARE));
      if (wanted === 0) return;
      const { keys } = await pool.take(wanted, { timeoutMs: TIMEOUT_MS }).catch(() => ({ keys: [] }));
      taken.push(...keys.filter((key) => isPoolKey(key, this.#keyLength)));
    }
  }
}
