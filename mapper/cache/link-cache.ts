import { randomInt } from 'node:crypto';
import type { LinkRules } from '../../db/urls/link-rules.ts';
import { isUsable } from '../../db/urls/usable-target.ts';
import { flat } from '../../runtime/flat-text.ts';
import { parseJson } from '../../runtime/json.ts';
import type { LinkTable } from './link-table.ts';
import { PopularLinks } from './popular-links.ts';
import { RecentKeys } from './recent-keys.ts';

/** What a redirect needs of a link. */
export interface CachedLink {
  /** undefined: a tombstone, the link was deleted. */
  readonly longUrl: string | undefined;
  /** Milliseconds since 1970; undefined: never. */
  readonly expiresAtMs: number | undefined;
  /** Absent for a plain link. */
  readonly rules?: LinkRules;
  /** See `LinkTarget.state`. */
  readonly state?: string | undefined;
}

/** `'unknown'`: the primary reported recently that there is no such link. */
export type CacheEntry = CachedLink | 'unknown';

export interface LinkCacheOptions {
  readonly maxBytes: number;
  /** How long a link may be served without reading it again, in case its invalidation was lost. */
  readonly ttlMs: number;
  readonly negativeTtlMs?: number;
  /**
   * Whether reads may return an older state than the last invalidation, as reads of replicas do. Then a key
   * that has changed is read from the primary for the whole time to live, and not only once.
   */
  readonly readsMayLag?: boolean;
  /**
   * Whether a key may become a link without an announcement. That such a key is unknown is never remembered.
   * Default: none.
   */
  readonly mayAppear?: (key: string) => boolean;
  /**
   * Whether announcements arrive. While they do not, nothing is remembered as unknown. Default: they do.
   */
  readonly isHearing?: () => boolean;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Seed of the random choices. */
  readonly seed?: number;
}

/** A read of the database in flight for one key; see {@link LinkCache.beginFill}. */
export interface Fill {
  /** Whether the key was invalidated since the read began. */
  readonly isStale: boolean;
  /**
   * Whether it is remembered, and may be told to others, that there is no link. Otherwise an absence is true
   * only for a request that came before the read: the link may have been made since, without our knowledge.
   */
  readonly remembersAbsence: boolean;
  /** The key has changed recently: only the primary is certain to have the new state. */
  readonly needsPrimary: boolean;
  /**
   * Stores the result, unless the key was invalidated (or everything flushed) since the read began.
   * @param ageMs how long ago the result was certainly true; counts against its time to live
   */
  store(entry: CacheEntry, ageMs?: number): void;
  /** The read is over, whether it succeeded or not. */
  end(): void;
}

/**
 * Share of the memory for unknown keys. They have a space of their own, so that they never displace links.
 */
const NEGATIVE_SHARE = 1 / 16;
const NEGATIVE_MAX_BYTES = 4 * 2 ** 20;
/**
 * Memory for keys that changed recently. When it is full the oldest are forgotten; shared cache and replicas
 * may then serve their old state until its time to live is over.
 */
const CHANGED_MAX_BYTES = 2 ** 20;

/**
 * In the place of the expiry of a link that is not plain; its target is the whole link as JSON. So
 * {@link LinkCache.findTarget} takes it for expired, at no cost to plain links.
 */
const NOT_PLAIN = Number.NEGATIVE_INFINITY;

/**
 * Links by key, in memory, bounded in bytes, with a small separate space for keys that have no link.
 *
 * An entry is never older than the last invalidation received: a fill that began before an invalidation or a
 * flush is not stored. Only fills in flight can become stale, so this needs no memory for other keys.
 */
export class LinkCache {
  readonly #links: PopularLinks;
  readonly #unknown: RecentKeys;
  /** The last fill begun for each key; it links to the earlier ones. */
  readonly #fills = new Map<string, OpenFill>();
  readonly #keeper: FillKeeper = {
    remembersAbsence: ({ key, silences }) =>
      silences === this.#silences && this.#isHearing() && !this.#mayAppear(key),
    store: (fill, entry, ageMs) => this.#fill(fill, entry, ageMs),
    end: (fill) => this.#endFill(fill),
  };
  readonly #changed: RecentKeys;
  readonly #readsMayLag: boolean;
  readonly #mayAppear: (key: string) => boolean;
  readonly #isHearing: () => boolean;
  readonly #ttlMs: number;
  readonly #now: () => number;
  /** How many times announcements of new links may have been missed. */
  #silences = 0;
  #foundKey = '';

  constructor(options: LinkCacheOptions) {
    const { maxBytes, ttlMs, negativeTtlMs = 5_000, now, seed = randomInt(2 ** 32) } = options;
    const negativeBytes = Math.min(maxBytes * NEGATIVE_SHARE, NEGATIVE_MAX_BYTES);
    this.#links = new PopularLinks(maxBytes - negativeBytes, seed);
    this.#unknown = new RecentKeys(negativeBytes, negativeTtlMs, now);
    this.#changed = new RecentKeys(CHANGED_MAX_BYTES, ttlMs, now);
    this.#readsMayLag = options.readsMayLag ?? false;
    this.#mayAppear = options.mayAppear ?? (() => false);
    this.#isHearing = options.isHearing ?? (() => true);
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
   * The target of a plain link that is in memory, is neither deleted nor expired, and can be sent as it is.
   * `undefined` may mean anything else: call {@link get}. Allocates nothing, because most redirects need only
   * this.
   *
   * @param atMs monotonic milliseconds. A redirect has just asked the clock, which takes as long as all this
   * @param nowMs milliseconds since 1970; called only for a link that expires
   */
  findTarget(key: string, atMs: number, nowMs: () => number): string | undefined {
    const table = this.#links.find(key);
    if (table === undefined) return undefined;
    const place = this.#links.foundAt;
    if (atMs - table.timeAt(place) > this.#ttlMs) return undefined;
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
   * The key whose target {@link findTarget} has just returned, as the stored string. V8 knows the hash of
   * that string and finds it in a Map by its address; a fresh string of the same text must be hashed and
   * compared.
   */
  get foundKey(): string {
    return this.#foundKey;
  }

  /** The entry, unless it is past its time to live. */
  get(key: string): CacheEntry | undefined {
    const table = this.#links.find(key);
    if (table === undefined) return this.#unknown.has(key) && this.#isHearing() ? 'unknown' : undefined;
    const place = this.#links.foundAt;
    if (this.#now() - table.timeAt(place) > this.#ttlMs) return undefined;
    this.#links.countHit(table);
    return toLink(table, place);
  }

  /**
   * A link, even past its time to live: it is better than nothing while its database is down. Never
   * `'unknown'`.
   */
  getStale(key: string): CachedLink | undefined {
    const table = this.#links.find(key);
    return table === undefined ? undefined : toLink(table, this.#links.foundAt);
  }

  /** Call before reading the database. The result is stored through the returned fill. */
  beginFill(key: string): Fill {
    const before = this.#fills.get(key);
    const fill = new OpenFill(this.#keeper, key, this.#changed.has(key), before, this.#silences);
    this.#fills.set(key, fill);
    return fill;
  }

  /** Forgets `key`, because it has changed. */
  invalidate(key: string): void {
    this.#links.delete(key);
    this.#changed.add(flat(key));
    this.appeared(key);
  }

  /**
   * Forgets that `key` was unknown, because it has just become a link. Unlike a change it needs no place
   * among the keys that changed recently: before it there was no state that a cache or replica could still
   * serve, and only the primary can report that a link does not exist.
   */
  appeared(key: string): void {
    this.#unknown.delete(key);
    if (this.#fills.size > 0) this.#fills.get(key)?.overtake();
  }

  /** Forgets everything, because invalidations may have been missed. */
  flush(): void {
    this.#links.clear();
    this.forgetUnknown();
    for (const fill of this.#fills.values()) fill.overtake();
  }

  /**
   * Forgets which keys were unknown, because announcements of new links may have been missed. Links that are
   * being read are stored all the same.
   */
  forgetUnknown(): void {
    this.#unknown.clear();
    this.#silences += 1;
  }

  #fill(fill: OpenFill, entry: CacheEntry, ageMs: number): void {
    const { key, needsPrimary } = fill;
    if (needsPrimary && !this.#readsMayLag) this.#changed.delete(key);
    if (entry !== 'unknown') this.#store(key, entry, ageMs);
    else {
      this.#links.delete(key);
      if (fill.remembersAbsence) this.#unknown.add(flat(key));
    }
  }

  #endFill(fill: OpenFill): void {
    const last = this.#fills.get(fill.key);
    if (last === fill && fill.before === undefined) this.#fills.delete(fill.key);
    else if (last === fill) this.#fills.set(fill.key, fill.before as OpenFill);
    else
      for (let at = last; at !== undefined; at = at.before) if (at.before === fill) at.before = fill.before;
  }

  #store(key: string, link: CachedLink, ageMs: number): void {
    this.#unknown.delete(key);
    const { longUrl, expiresAtMs, rules } = link;
    const sinceMs = this.#now() - ageMs;
    // Judged here, once, and not by each redirect.
    const isPlain = rules === undefined && (longUrl === undefined || isUsable(longUrl));
    if (!isPlain) this.#links.set(flat(key), JSON.stringify(link), NOT_PLAIN, sinceMs);
    else
      this.#links.set(flat(key), longUrl && flat(longUrl), expiresAtMs ?? Number.POSITIVE_INFINITY, sinceMs);
  }
}

interface FillKeeper {
  remembersAbsence(fill: OpenFill): boolean;
  store(fill: OpenFill, entry: CacheEntry, ageMs: number): void;
  end(fill: OpenFill): void;
}

/** One object for each miss. It links to the other fills of its key; nearly always there are none. */
class OpenFill implements Fill {
  readonly key: string;
  readonly needsPrimary: boolean;
  before: OpenFill | undefined;
  readonly silences: number;
  readonly #keeper: FillKeeper;
  #isStale = false;

  constructor(
    keeper: FillKeeper,
    key: string,
    needsPrimary: boolean,
    before: OpenFill | undefined,
    silences: number,
  ) {
    this.silences = silences;
    this.#keeper = keeper;
    this.key = key;
    this.needsPrimary = needsPrimary;
    this.before = before;
  }

  get isStale(): boolean {
    return this.#isStale;
  }

  get remembersAbsence(): boolean {
    return this.#keeper.remembersAbsence(this);
  }

  store(entry: CacheEntry, ageMs = 0): void {
    if (!this.#isStale) this.#keeper.store(this, entry, ageMs);
  }

  end(): void {
    this.#keeper.end(this);
  }

  /** Marks this fill and all earlier ones as stale. Fills before a stale one are stale already. */
  overtake(): void {
    if (this.#isStale) return;
    this.#isStale = true;
    this.before?.overtake();
  }
}

function toLink(table: LinkTable, place: number): CachedLink {
  const expiry = table.expiryAt(place);
  if (expiry === NOT_PLAIN) return parseJson(table.targetAt(place) ?? '') as CachedLink;
  return {
    longUrl: table.targetAt(place),
    expiresAtMs: expiry === Number.POSITIVE_INFINITY ? undefined : expiry,
  };
}
