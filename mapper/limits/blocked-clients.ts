const MAX_CLIENTS = 100_000;

/** Clients that may follow no link until a time. Most of the time there is none, and asking costs nothing. */
export class BlockedClients {
  /** The end of each block in monotonic milliseconds, in the order in which they began. */
  readonly #untilMs = new Map<string, number>();
  readonly #now: () => number;

  /** @param now monotonic milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  block(client: string, forMs: number): void {
    const [oldest] = this.#untilMs.keys();
    if (oldest !== undefined && this.#untilMs.size >= MAX_CLIENTS) this.#untilMs.delete(oldest);
    this.#untilMs.set(client, this.#now() + forMs);
  }

  /** How long a client is still blocked. 0: it is not. */
  remainingMs(client: string): number {
    if (this.#untilMs.size === 0) return 0;
    const untilMs = this.#untilMs.get(client);
    if (untilMs === undefined) return 0;
    const remainingMs = untilMs - this.#now();
    if (remainingMs > 0) return remainingMs;
    this.#untilMs.delete(client);
    return 0;
  }
}
