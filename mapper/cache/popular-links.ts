import { FrequencySketch, MAX_COUNT } from './frequency-sketch.ts';
import { linkBytes, LinkTable, NOWHERE } from './link-table.ts';

/**
 * Share of the memory for the newest links. They stay for a while even when they are unpopular, because a
 * link that was just read is often requested again soon.
 */
const RECENT_SHARE = 0.01;
/** How many random entries are compared; the least popular of them is evicted. */
const SAMPLE = 8;
/**
 * Counts are halved after this many runs. After fewer, the counts could not distinguish the 10,000th of a
 * million links from its neighbours.
 */
const AGE_AFTER_RUNS = 20;
/** A run is this many requests per entry, and at least `MIN_RUN`: hits are compared from run to run. */
const RUN_PER_ENTRY = 5;
const MIN_RUN = 1_000;
/**
 * A run whose hit rate is below this share of the usual one means that other links have become popular: the
 * counts are halved twice, immediately.
 */
const SHIFTED_SHARE = 0.85;
const USUAL_DECAY = 0.9;

/**
 * The most popular links within a bound in bytes: admission by frequency, after W-TinyLFU (Einziger,
 * Friedman, Manes, 2017).
 *
 * - A new link goes to the small `recent` space. When it is pushed out of there, which happens at random, it
 *   competes with the least popular of some random entries of `main`. The more popular one stays.
 * - Entries have exact counts. A sketch estimates the counts of keys that are not in the cache. Both are
 *   halved from time to time, and immediately when hits become rare, as they do when other links have become
 *   popular.
 *
 * This is the simplest design that reaches 0.98 of the best possible hits at Zipf α = 0.7; SIEVE (Zhang et
 * al., NSDI 2024) reached 0.88. See decision 8.
 */
export class PopularLinks {
  readonly #maxBytes: number;
  readonly #recentBytes: number;
  readonly #main: LinkTable;
  readonly #recent: LinkTable;
  #sketch: FrequencySketch | undefined;
  #random: number;
  #foundAt = NOWHERE;
  #requests = 0;
  #hits = 0;
  #runLength = MIN_RUN;
  #runs = 0;
  #usualHitRate = 0;

  /** @param seed 32 random bits */
  constructor(maxBytes: number, seed: number) {
    this.#maxBytes = maxBytes;
    this.#recentBytes = maxBytes * RECENT_SHARE;
    this.#main = new LinkTable(seed);
    this.#recent = new LinkTable(seed);
    this.#random = seed | 1;
  }

  get bytes(): number {
    return this.#main.bytes + this.#recent.bytes;
  }

  get size(): number {
    return this.#main.size + this.#recent.size;
  }

  /** The table that holds `key`, at the place {@link foundAt}. Allocates nothing and counts nothing. */
  find(key: string): LinkTable | undefined {
    const hash = this.#main.hashOf(key);
    this.#foundAt = this.#main.find(key, hash);
    if (this.#foundAt !== NOWHERE) return this.#main;
    this.#foundAt = this.#recent.find(key, hash);
    return this.#foundAt === NOWHERE ? undefined : this.#recent;
  }

  /** The place in the table that {@link find} has just returned. */
  get foundAt(): number {
    return this.#foundAt;
  }

  /** Counts a hit on the entry that {@link find} has just returned. */
  countHit(table: LinkTable): void {
    table.count(this.#foundAt);
    this.#hits += 1;
    if (++this.#requests >= this.#runLength) this.#endRun();
  }

  /**
   * Stores a link that was requested and was not found, or not fresh. Drops it if it is not popular enough.
   */
  set(key: string, target: string | undefined, expiry: number, time: number): void {
    if (++this.#requests >= this.#runLength) this.#endRun();
    const hash = this.#main.hashOf(key);
    const table = this.find(key);
    const counted = table?.countAt(this.#foundAt) ?? this.#sketch?.estimate(hash) ?? 0;
    table?.remove(this.#foundAt);
    const count = Math.min(MAX_COUNT, counted + 1);
    const bytes = linkBytes(key, target);
    if (table === this.#main || bytes > this.#recentBytes) {
      this.#compete(key, hash, target, expiry, time, count);
      return;
    }
    while (this.#recent.bytes + bytes > this.#recentBytes) this.#promote(this.#draw(this.#recent));
    this.#recent.add(key, hash, target, expiry, time, count);
  }

  delete(key: string): void {
    const table = this.find(key);
    if (table === undefined) return;
    // Its target has changed, but it is as popular as before.
    this.#forget(table, this.#foundAt);
  }

  clear(): void {
    for (const table of [this.#main, this.#recent]) table.clear();
    this.#usualHitRate = 0;
  }

  /** Moves an entry out of `recent` into the competition. */
  #promote(place: number): void {
    const from = this.#recent;
    const key = from.keyAt(place);
    const hash = from.hashAt(place);
    const target = from.targetAt(place);
    const expiry = from.expiryAt(place);
    const time = from.timeAt(place);
    const count = from.countAt(place);
    from.remove(place);
    this.#compete(key, hash, target, expiry, time, count);
  }

  #compete(
    key: string,
    hash: number,
    target: string | undefined,
    expiry: number,
    time: number,
    count: number,
  ): void {
    const maxBytes = this.#maxBytes - this.#recentBytes;
    const bytes = linkBytes(key, target);
    while (this.#main.bytes + bytes > maxBytes) {
      this.#ensureSketch();
      const victim = this.#main.size === 0 ? NOWHERE : this.#leastPopular();
      if (victim === NOWHERE || bytes > maxBytes || count <= this.#main.countAt(victim)) {
        this.#sketch?.raise(hash, count);
        return;
      }
      this.#forget(this.#main, victim);
    }
    this.#main.add(key, hash, target, expiry, time, count);
  }

  /** Removes the entry and keeps its count in the sketch. */
  #forget(table: LinkTable, place: number): void {
    this.#sketch?.raise(table.hashAt(place), table.countAt(place));
    table.remove(place);
  }

  #leastPopular(): number {
    const main = this.#main;
    let least = this.#draw(main);
    for (let drawn = 1; drawn < SAMPLE; drawn += 1) {
      const other = this.#draw(main);
      if (main.countAt(other) < main.countAt(least)) least = other;
    }
    return least;
  }

  /** A random place. */
  #draw(table: LinkTable): number {
    // Xorshift (Marsaglia, 2003): no call, no allocation.
    let random = this.#random;
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    this.#random = random;
    return (random >>> 0) % table.size;
  }

  /**
   * Creates the sketch when the space is full for the first time, because only then it is known how many
   * entries fit. Creates another when twice as many fit.
   */
  #ensureSketch(): void {
    if (this.#sketch !== undefined && this.#sketch.entries * 2 > this.size) return;
    this.#sketch = new FrequencySketch(this.size);
  }

  #endRun(): void {
    const hitRate = this.#hits / this.#requests;
    const hasShifted = hitRate < this.#usualHitRate * SHIFTED_SHARE;
    this.#usualHitRate = Math.max(hitRate, this.#usualHitRate * USUAL_DECAY);
    this.#requests = 0;
    this.#hits = 0;
    this.#runLength = Math.max(MIN_RUN, this.size * RUN_PER_ENTRY);
    this.#runs += 1;
    if (!hasShifted && this.#runs < AGE_AFTER_RUNS) return;
    this.#runs = 0;
    this.#age();
    if (hasShifted) this.#age();
  }

  #age(): void {
    this.#main.age();
    this.#recent.age();
    this.#sketch?.age();
  }
}
