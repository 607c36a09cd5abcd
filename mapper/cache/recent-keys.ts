/** Memory of one Map slot and one key of ordinary length. */
const ENTRY_BYTES = 96;

/**
 * Keys remembered for a short time: bounded in bytes, oldest forgotten first.
 *
 * Two generations: when the young one takes half of the space it becomes the old one, and the old one is
 * dropped as a whole. Nothing is evicted one by one, however many keys a client tries.
 */
export class RecentKeys {
  readonly #maxBytes: number;
  readonly #ttlMs: number;
  readonly #now: () => number;
  #young = new Map<string, number>();
  #old = new Map<string, number>();
  #youngBytes = 0;
  #oldBytes = 0;

  /** @param now monotonic milliseconds */
  constructor(maxBytes: number, ttlMs: number, now: () => number) {
    this.#maxBytes = maxBytes;
    this.#ttlMs = ttlMs;
    this.#now = now;
  }

  get bytes(): number {
    return this.#youngBytes + this.#oldBytes;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  has(key: string): boolean {
    if (this.size === 0) return false;
    const storedAtMs = this.#young.get(key) ?? this.#old.get(key);
    return storedAtMs !== undefined && this.#now() - storedAtMs <= this.#ttlMs;
  }

  add(key: string): void {
    this.delete(key);
    const bytes = ENTRY_BYTES + key.length;
    if (this.#youngBytes + bytes > this.#maxBytes / 2) this.#startGeneration();
    if (bytes > this.#maxBytes / 2) return;
    // V8 stores a small integer in place, and any other number as an object.
    this.#young.set(key, Math.floor(this.#now()));
    this.#youngBytes += bytes;
  }

  delete(key: string): void {
    // Usually there are no keys. Then `key` need not be hashed.
    if (this.size === 0) return;
    if (this.#young.delete(key)) this.#youngBytes -= ENTRY_BYTES + key.length;
    if (this.#old.delete(key)) this.#oldBytes -= ENTRY_BYTES + key.length;
  }

  clear(): void {
    this.#startGeneration();
    this.#startGeneration();
  }

  #startGeneration(): void {
    this.#old = this.#young;
    this.#oldBytes = this.#youngBytes;
    this.#young = new Map();
    this.#youngBytes = 0;
  }
}
