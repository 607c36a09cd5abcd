import type { FreeShard } from './contend.ts';

/** Remembers, per shard, since when it is free and until when this producer keeps away from it. */
export class Attempts {
  readonly #basePauseMs: number;
  readonly #freeSinceMs = new Map<string, number>();
  readonly #blockedUntilMs = new Map<string, number>();
  readonly #failures = new Map<string, number>();

  /** @param basePauseMs pause after a first failure; it doubles with each one in a row */
  constructor(basePauseMs: number) {
    this.#basePauseMs = basePauseMs;
  }

  /** The shards that are free now, as the contention wants to know them. All others count as taken. */
  observeFree(shards: readonly string[], nowMs: number): FreeShard[] {
    for (const shard of this.#freeSinceMs.keys()) {
      if (!shards.includes(shard)) this.#freeSinceMs.delete(shard);
    }
    return shards.map((shard) => {
      const sinceMs = this.#freeSinceMs.get(shard) ?? nowMs;
      this.#freeSinceMs.set(shard, sinceMs);
      const blockedForMs = Math.max(0, (this.#blockedUntilMs.get(shard) ?? 0) - nowMs);
      return { shard, freeForMs: nowMs - sinceMs, blockedForMs };
    });
  }

  /** A lock was not taken, or a reign ended against its will. */
  failed(shard: string, nowMs: number, random: number = Math.random()): void {
    const failures = this.#failures.get(shard) ?? 0;
    this.#failures.set(shard, failures + 1);
    const pauseMs = this.#basePauseMs * 2 ** Math.min(failures, 6);
    this.#blockedUntilMs.set(shard, nowMs + pauseMs * (0.5 + random / 2));
  }

  /** A reign was ready: the next failure is a first one. */
  succeeded(shard: string): void {
    this.#failures.delete(shard);
  }

  block(shard: string, untilMs: number): void {
    this.#blockedUntilMs.set(shard, untilMs);
  }

  unblock(shard: string): void {
    this.#blockedUntilMs.delete(shard);
  }
}
