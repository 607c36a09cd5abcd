import { FrequencySketch, MAX_COUNT } from './frequency-sketch.ts';
import { linkBytes, LinkTable, NOWHERE } from './link-table.ts';

/** What came in last stays at least for a while, however unpopular: a link that has just become known is asked for again soon. */
const RECENT_SHARE = 0.01;
/** Entries of which the least popular one is evicted. */
const SAMPLE = 8;
/** Counts are halved after so many requests per entry: fewer cannot tell the 10,000th of a million links from its neighbours. */
const AGE_AFTER_STRETCHES = 20;
const STRETCH_PER_ENTRY = 5;
const MIN_STRETCH = 1_000;
/** A stretch with so much fewer hits than usual means that other links have become popular: forget faster. */
const SHIFTED = 0.85;
const USUAL_DECAY = 0.9;

/**
 * The links most worth keeping within a bound in bytes: admission by frequency, after W-TinyLFU (Einziger, Friedman, Manes, 2017).
 *
 * - A newcomer goes to the small `recent` space. Pushed out of there, by chance, it competes with the least popular of some random
 *   entries of `main`: the more often asked for stays.
 * - Entries carry exact counts; a sketch remembers those of keys that are not here. Both are halved from time to time, and at once
 *   when hits become rare, as they do when the popular set has shifted.
 *
 * As simple as what meets 0.98 of the best possible hits at Zipf α = 0.7, where SIEVE (Zhang et al., NSDI 2024) reached 0.88; see decision 8.
 */
export class PopularLinks {
  readonly #maxBytes: number;
  readonly #recentBytes: number;
  readonly #main: LinkTable;
  readonly #recent: LinkTable;
  #sketch: FrequencySketch | undefined;
  #random: number;
  #foundAt = NOWHERE;
  #asked = 0;
  #hits = 0;
  #stretch = MIN_STRETCH;
  #stretches = 0;
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

  /** The table that holds `key`, at the place {@link foundAt}; nothing is allocated, nothing counted. */
  find(key: string): LinkTable | undefined {
    const hash = this.#main.hashOf(key);
    this.#foundAt = this.#main.find(key, hash);
    if (this.#foundAt !== NOWHERE) return this.#main;
    this.#foundAt = this.#recent.find(key, hash);
    return this.#foundAt === NOWHERE ? undefined : this.#recent;
  }

  /** Where in the table that {@link find} has just returned. */
  get foundAt(): number {
    return this.#foundAt;
  }

  /** Counts a hit on what {@link find} has just returned. */
  countHit(table: LinkTable): void {
    table.count(this.#foundAt);
    this.#hits += 1;
    if (++this.#asked >= this.#stretch) this.#endStretch();
  }

  /** Keeps a link that was asked for and not found, or not fresh; or does not, if it is not popular enough. */
  set(key: string, target: string | undefined, expiry: number, time: number): void {
    if (++this.#asked >= this.#stretch) this.#endStretch();
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
    // It has changed, but is as popular as before.
    this.#forget(table, this.#foundAt);
  }

  clear(): void {
    for (const table of [this.#main, this.#recent]) table.clear();
    this.#usualHitRate = 0;
  }

  /** Out of `recent`, into the competition. */
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

  /** The entry goes, its count is remembered. */
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

  /** Nothing has to be remembered about others before the space is full; then it is known how many entries fit. */
  #ensureSketch(): void {
    if (this.#sketch !== undefined && this.#sketch.entries * 2 > this.size) return;
    this.#sketch = new FrequencySketch(this.size);
  }

  #endStretch(): void {
    const hitRate = this.#hits / this.#asked;
    const hasShifted = hitRate < this.#usualHitRate * SHIFTED;
    this.#usualHitRate = Math.max(hitRate, this.#usualHitRate * USUAL_DECAY);
    this.#asked = 0;
    this.#hits = 0;
    this.#stretch = Math.max(MIN_STRETCH, this.size * STRETCH_PER_ENTRY);
    this.#stretches += 1;
    if (!hasShifted && this.#stretches < AGE_AFTER_STRETCHES) return;
    this.#stretches = 0;
    this.#age();
    if (hasShifted) this.#age();
  }

  #age(): void {
    this.#main.age();
    this.#recent.age();
    this.#sketch?.age();
  }
}
