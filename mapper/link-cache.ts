import { Sieve } from './sieve.ts';

/** What a redirect needs to know of a link. */
export interface CachedLink {
  /** undefined: a tombstone, the link was deleted. */
  readonly originalUrl: string | undefined;
  /** Milliseconds since 1970; undefined: never. */
  readonly expiresAtMs: number | undefined;
}

/** `'unknown'`: the primary said, moments ago, that there is no such link. */
export type CacheEntry = CachedLink | 'unknown';

export interface LinkCacheOptions {
  readonly maxBytes: number;
  /** How long a link may be served without asking again, in case its invalidation got lost. */
  readonly ttlMs: number;
  readonly negativeTtlMs?: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

interface Held {
  readonly entry: CacheEntry;
  readonly storedAtMs: number;
}

/** A place in the cache that was empty when a read of the database began; see {@link LinkCache.beginFill}. */
export interface Fill {
  /** Whether an invalidation has overtaken it. */
  readonly isStale: boolean;
  /** Stores what was read, unless the key was invalidated (or everything flushed) since the read began. */
  store(entry: CacheEntry): void;
  /** The read is over, whatever came of it. */
  end(): void;
}

/** Unknown keys must not crowd out links: they have their own small space. */
const NEGATIVE_SHARE = 1 / 16;
const NEGATIVE_MAX_BYTES = 4 * 2 ** 20;

/** Objects, list node and Map slot of one entry beside its characters; measured on Node 26 (see test/mapper/link-cache.test.ts). */
export const ENTRY_OVERHEAD_BYTES = 250;

/**
 * Links by key, in memory, bounded in bytes, with a small separate space for keys that do not exist.
 *
 * Never older than the last invalidation it heard: a fill that began before an invalidation or flush is not stored.
 * Fills under way are the only keys with a version, so the versions need no bound of their own.
 */
export class LinkCache {
  readonly #links: Sieve<Held>;
  readonly #unknown: Sieve<Held>;
  readonly #fills = new Map<string, Set<{ isStale: boolean }>>();
  readonly #ttlMs: number;
  readonly #negativeTtlMs: number;
  readonly #now: () => number;

  constructor({ maxBytes, ttlMs, negativeTtlMs = 5_000, now }: LinkCacheOptions) {
    const negativeBytes = Math.min(maxBytes * NEGATIVE_SHARE, NEGATIVE_MAX_BYTES);
    this.#links = new Sieve(maxBytes - negativeBytes, sizeOf);
    this.#unknown = new Sieve(negativeBytes, sizeOf);
    this.#ttlMs = ttlMs;
    this.#negativeTtlMs = negativeTtlMs;
    this.#now = now;
  }

  get bytes(): number {
    return this.#links.bytes + this.#unknown.bytes;
  }

  get size(): number {
    return this.#links.size + this.#unknown.size;
  }

  /** The entry, if there is one that may still be used. */
  get(key: string): CacheEntry | undefined {
    const link = this.#links.get(key);
    if (link !== undefined) return this.#isOlder(link, this.#ttlMs) ? undefined : link.entry;
    const unknown = this.#unknown.get(key);
    if (unknown === undefined || this.#isOlder(unknown, this.#negativeTtlMs)) return undefined;
    return unknown.entry;
  }

  /** A link past its time: better than nothing while the database that should confirm it is down. Never a negative entry. */
  getStale(key: string): CachedLink | undefined {
    const entry = this.#links.get(key)?.entry;
    return entry === 'unknown' ? undefined : entry;
  }

  /** Call before reading the database; the answer goes through the returned fill. */
  beginFill(key: string): Fill {
    const version = { isStale: false };
    const fills = this.#fills.get(key) ?? new Set();
    this.#fills.set(key, fills.add(version));
    return {
      get isStale() {
        return version.isStale;
      },
      store: (entry) => {
        if (!version.isStale) this.#store(key, entry);
      },
      end: () => {
        fills.delete(version);
        if (fills.size === 0 && this.#fills.get(key) === fills) this.#fills.delete(key);
      },
    };
  }

  /** Forgets `key`: it has changed. */
  invalidate(key: string): void {
    this.#links.delete(key);
    this.#unknown.delete(key);
    for (const version of this.#fills.get(key) ?? []) version.isStale = true;
  }

  /** Forgets everything: invalidations may have been missed. */
  flush(): void {
    this.#links.clear();
    this.#unknown.clear();
    for (const fills of this.#fills.values()) for (const version of fills) version.isStale = true;
  }

  #store(key: string, entry: CacheEntry): void {
    const held = { entry, storedAtMs: this.#now() };
    if (entry === 'unknown') {
      this.#links.delete(key);
      this.#unknown.set(key, held);
    } else {
      this.#unknown.delete(key);
      this.#links.set(key, held);
    }
  }

  #isOlder(held: Held, ttlMs: number): boolean {
    return this.#now() - held.storedAtMs > ttlMs;
  }
}

function sizeOf(key: string, { entry }: Held): number {
  const urlCharacters = entry === 'unknown' ? 0 : (entry.originalUrl?.length ?? 0);
  return ENTRY_OVERHEAD_BYTES + key.length + urlCharacters;
}
