import { MINUTE_MS, type Count } from './rate-policy.ts';

interface Entry {
  count: number;
  readonly endsMs: number;
}

interface MemoryCountsOptions {
  /** Default: a minute. */
  readonly windowMs?: number;
  readonly maxClients?: number;
}

/**
 * More clients than this in one window are not remembered: the oldest are forgotten. A sender with so many
 * addresses is not stopped by limits for each of them.
 */
const MAX_CLIENTS = 100_000;

/**
 * Counts in the memory of this process. The window of a client begins with its first request. No timer: what
 * is over is removed when a client is added.
 */
export class MemoryCounts {
  /** In the order in which their windows end. */
  readonly #entries = new Map<string, Entry>();
  readonly #windowMs: number;
  readonly #maxClients: number;
  readonly #now: () => number;

  /** @param now monotonic milliseconds */
  constructor(
    now: () => number,
    { windowMs = MINUTE_MS, maxClients = MAX_CLIENTS }: MemoryCountsOptions = {},
  ) {
    this.#now = now;
    this.#windowMs = windowMs;
    this.#maxClients = maxClients;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Counts one request of a client. */
  hit(client: string): Count {
    const nowMs = this.#now();
    let entry = this.#entries.get(client);
    if (entry === undefined || entry.endsMs <= nowMs) entry = this.#begin(client, nowMs);
    entry.count += 1;
    return { count: entry.count, remainingMs: entry.endsMs - nowMs };
  }

  /** How many requests of a client were counted in its window. */
  peek(client: string): number {
    const entry = this.#entries.get(client);
    return entry === undefined || entry.endsMs <= this.#now() ? 0 : entry.count;
  }

  #begin(client: string, nowMs: number): Entry {
    const entries = this.#entries;
    entries.delete(client);
    for (const [other, { endsMs }] of entries) {
      if (endsMs > nowMs && entries.size < this.#maxClients) break;
      entries.delete(other);
    }
    const entry = { count: 0, endsMs: nowMs + this.#windowMs };
    entries.set(client, entry);
    return entry;
  }
}
