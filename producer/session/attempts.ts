import type { FreeShard } from './contend.ts';

/** Records for each shard since when it is free, and until when this producer must not try to take it. */
export class Attempts {
  readonly #basePauseMs: number;
  readonly #freeSinceMs = new Map<string, number>();
  readonly #blockedUntilMs = new Map<string, number>();
  readonly #failures = new Map<string, number>();

  /** @param basePauseMs pause after a first failure; doubles with each further failure in a row */
  constructor(basePauseMs: number) {
    this.#basePauseMs = basePauseMs;
  }

  /** Records that exactly these shards are free now, and describes them. */
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

  /** A lock was not taken, or a reign ended without being released. */
  failed(shard: string, nowMs: number, random: number = Math.random()): void {
    const failures = this.#failures.get(shard) ?? 0;
    this.#failures.set(shard, failures + 1);
    const pauseMs = this.#basePauseMs * 2 ** Math.min(failures, 6);
    this.#blockedUntilMs.set(shard, nowMs + pauseMs * (0.5 + random / 2));
  }

  /** How often in a row it has failed. */
  failuresOf(shard: string): number {
    return this.#failures.get(shard) ?? 0;
  }

  /** A reign has been ready: the next failure counts as a first one. */
  succeeded(shard: string): void {
    this.#failures.delete(shard);
  }

  /** Forbids this producer to take the shard until then, because its heir is another producer. */
  block(shard: string, untilMs: number): void {
    this.#blockedUntilMs.set(shard, untilMs);
  }

  unblock(shard: string): void {
    this.#blockedUntilMs.delete(shard);
  }
}
