import { randomInt } from 'node:crypto';
import type { LinkTable } from './link-table.ts';
import { PopularLinks } from './popular-links.ts';
import { RecentKeys } from './recent-keys.ts';

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
  /**
   * What is behind memory may be older than the last invalidation, as read replicas are: a key that has changed is read from the primary
   * for the whole time to live, and not only once.
   */
  readonly readsMayLag?: boolean;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Of the choices left to chance. */
  readonly seed?: number;
}

/** A place in the cache that was empty when a read of the database began; see {@link LinkCache.beginFill}. */
export interface Fill {
  /** Whether an invalidation has overtaken it. */
  readonly isStale: boolean;
  /** The key has changed a moment ago: of all that is behind memory only the primary is certain to know. */
  readonly needsPrimary: boolean;
  /**
   * Stores what was read, unless the key was invalidated (or everything flushed) since the read began.
   * @param ageMs how long ago it was true for certain; counts against its time to live
   */
  store(entry: CacheEntry, ageMs?: number): void;
  /** The read is over, whatever came of it. */
  end(): void;
}

/** Unknown keys must not crowd out links: they have their own small space. */
const NEGATIVE_SHARE = 1 / 16;
const NEGATIVE_MAX_BYTES = 4 * 2 ** 20;
/** For the keys that changed lately: beyond it the oldest are left to the time to live of what is behind. */
const CHANGED_MAX_BYTES = 2 ** 20;

/** V8 makes a part of a string this long a view of the whole, which stays alive with it: here the request line. */
const SHORTEST_VIEW = 13;

/**
 * Links by key, in memory, bounded in bytes, with a small separate space for keys that do not exist.
 *
 * Never older than the last invalidation it heard: a fill that began before an invalidation or flush is not stored.
 * Fills under way are the only keys with a version, so the versions need no bound of their own.
 */
export class LinkCache {
  readonly #links: PopularLinks;
  readonly #unknown: RecentKeys;
  /** The fill of a key that began last; it knows those before it. */
  readonly #fills = new Map<string, OpenFill>();
  readonly #keeper: FillKeeper = {
    store: (fill, entry, ageMs) => this.#fill(fill, entry, ageMs),
    end: (fill) => this.#endFill(fill),
  };
  readonly #changed: RecentKeys;
  readonly #readsMayLag: boolean;
  readonly #ttlMs: number;
  readonly #now: () => number;
  #foundKey = '';

  constructor(options: LinkCacheOptions) {
    const { maxBytes, ttlMs, negativeTtlMs = 5_000, now, seed = randomInt(2 ** 32) } = options;
    const negativeBytes = Math.min(maxBytes * NEGATIVE_SHARE, NEGATIVE_MAX_BYTES);
    this.#links = new PopularLinks(maxBytes - negativeBytes, seed);
    this.#unknown = new RecentKeys(negativeBytes, negativeTtlMs, now);
    this.#changed = new RecentKeys(CHANGED_MAX_BYTES, ttlMs, now);
    this.#readsMayLag = options.readsMayLag ?? false;
    this.#ttlMs = ttlMs;
    this.#now = now;
  }

  get bytes(): number {
    return this.#links.bytes + this.#unknown.bytes;
  }

  get size(): number {
    return this.#links.size + this.#unknown.size;
  }

  /**
   * Where a link leads, if memory has it and it leads somewhere now: not deleted, not expired. undefined says nothing, ask {@link get}.
   * Allocates nothing: this is all that most redirects need.
   *
   * @param nowMs milliseconds since 1970, asked only for a link that expires
   */
  findTarget(key: string, nowMs: () => number): string | undefined {
    const table = this.#links.find(key);
    if (table === undefined) return undefined;
    const place = this.#links.foundAt;
    if (this.#now() - table.timeAt(place) > this.#ttlMs) return undefined;
    const expiry = table.expiryAt(place);
    if (expiry !== Number.POSITIVE_INFINITY && expiry <= nowMs()) return undefined;
    const target = table.targetAt(place);
    if (target !== undefined) {
      this.#foundKey = table.keyAt(place);
      this.#links.countHit(table);
    }
    return target;
  }

  /**
   * The key whose target {@link findTarget} has just given, as the very string that is stored: V8 knows its hash, and finds it in a
   * Map by its address, where a fresh string of the same text must be hashed and compared.
   */
  get foundKey(): string {
    return this.#foundKey;
  }

  /** The entry, if there is one that may still be used. */
  get(key: string): CacheEntry | undefined {
    const table = this.#links.find(key);
    if (table === undefined) return this.#unknown.has(key) ? 'unknown' : undefined;
    const place = this.#links.foundAt;
    if (this.#now() - table.timeAt(place) > this.#ttlMs) return undefined;
    this.#links.countHit(table);
    return toLink(table, place);
  }

  /** A link past its time: better than nothing while the database that should confirm it is down. Never a negative entry. */
  getStale(key: string): CachedLink | undefined {
    const table = this.#links.find(key);
    return table === undefined ? undefined : toLink(table, this.#links.foundAt);
  }

  /** Call before reading the database; the answer goes through the returned fill. */
  beginFill(key: string): Fill {
    const fill = new OpenFill(this.#keeper, key, this.#changed.has(key), this.#fills.get(key));
    this.#fills.set(key, fill);
    return fill;
  }

  /** Forgets `key`: it has changed. */
  invalidate(key: string): void {
    this.#links.delete(key);
    this.#changed.add(flat(key));
    this.appeared(key);
  }

  /**
   * Forgets that there was no `key`: it is a link now, for the first time. That is all there was to know of it, and nobody but the
   * primary is believed about what there is not: so unlike a change it needs no place among the few that are remembered.
   */
  appeared(key: string): void {
    this.#unknown.delete(key);
    if (this.#fills.size > 0) this.#fills.get(key)?.overtake();
  }

  /** Forgets everything: invalidations may have been missed. */
  flush(): void {
    this.#links.clear();
    this.#unknown.clear();
    for (const fill of this.#fills.values()) fill.overtake();
  }

  #fill({ key, needsPrimary }: OpenFill, entry: CacheEntry, ageMs: number): void {
    if (needsPrimary && !this.#readsMayLag) this.#changed.delete(key);
    this.#store(key, entry, ageMs);
  }

  #endFill(fill: OpenFill): void {
    const last = this.#fills.get(fill.key);
    if (last === fill && fill.before === undefined) this.#fills.delete(fill.key);
    else if (last === fill) this.#fills.set(fill.key, fill.before as OpenFill);
    else
      for (let at = last; at !== undefined; at = at.before) if (at.before === fill) at.before = fill.before;
  }

  #store(key: string, entry: CacheEntry, ageMs: number): void {
    if (entry === 'unknown') {
      this.#links.delete(key);
      this.#unknown.add(flat(key));
    } else {
      const { originalUrl, expiresAtMs = Number.POSITIVE_INFINITY } = entry;
      this.#unknown.delete(key);
      this.#links.set(flat(key), originalUrl && flat(originalUrl), expiresAtMs, this.#now() - ageMs);
    }
  }
}

interface FillKeeper {
  store(fill: OpenFill, entry: CacheEntry, ageMs: number): void;
  end(fill: OpenFill): void;
}

/** One object for each miss, linked to the other fills of its key: nearly always there is none. */
class OpenFill implements Fill {
  readonly key: string;
  readonly needsPrimary: boolean;
  before: OpenFill | undefined;
  readonly #keeper: FillKeeper;
  #isStale = false;

  constructor(keeper: FillKeeper, key: string, needsPrimary: boolean, before: OpenFill | undefined) {
    this.#keeper = keeper;
    this.key = key;
    this.needsPrimary = needsPrimary;
    this.before = before;
  }

  get isStale(): boolean {
    return this.#isStale;
  }

  store(entry: CacheEntry, ageMs = 0): void {
    if (!this.#isStale) this.#keeper.store(this, entry, ageMs);
  }

  end(): void {
    this.#keeper.end(this);
  }

  /** The key has changed: this fill is stale, and those before it; before one that is stale already, all are. */
  overtake(): void {
    if (this.#isStale) return;
    this.#isStale = true;
    this.before?.overtake();
  }
}

function toLink(table: LinkTable, place: number): CachedLink {
  const expiry = table.expiryAt(place);
  return {
    originalUrl: table.targetAt(place),
    expiresAtMs: expiry === Number.POSITIVE_INFINITY ? undefined : expiry,
  };
}

/** The same text as a string that keeps nothing else alive. */
function flat(text: string): string {
  return text.length < SHORTEST_VIEW ? text : Buffer.from(text).toString();
}
