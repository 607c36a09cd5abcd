import { MAX_COUNT } from './frequency-sketch.ts';

/** No such entry. */
export const NOWHERE = -1;

const INITIAL_CAPACITY = 64;
const GROWTH = 1.5;
/** Above this share of used positions the index is rebuilt, twice as long, so that probing stays short. */
const MAX_LOAD = 0.6;

/**
 * Memory of one entry beside its two strings: its share of the arrays (with their slack), the index and the
 * sketch. Measured; see the test.
 */
const ENTRY_OVERHEAD_BYTES = 100;
/** The header of a string. */
const STRING_BYTES = 16;

/** The memory of a link in the cache, key and overhead included. */
export function linkBytes(key: string, target: string | undefined): number {
  return ENTRY_OVERHEAD_BYTES + stringBytes(key) + (target === undefined ? 0 : stringBytes(target));
}

function stringBytes(text: string): number {
  return STRING_BYTES + ((text.length + 7) & ~7);
}

/**
 * Links by key in flat arrays instead of objects. It takes half the memory of a Map of objects, and the
 * garbage collector has only the strings to walk. Entries occupy the places 0 to size − 1 without holes, so
 * that a random one can be drawn. Removing an entry moves the last one into its place, so a place is valid
 * only until the next change.
 *
 * The index is open addressing with linear probing. (A Map with steady insertion and removal needs up to four
 * times the slots of one that is only filled, because V8 reclaims removed ones by rehashing.)
 */
export class LinkTable {
  readonly #seed: number;
  /** Place + 1 by hash; 0 is free. Its length is a power of two. */
  #index = new Int32Array(INITIAL_CAPACITY * 2);
  #keys: string[] = [];
  #targets: (string | undefined)[] = [];
  #hashes = new Uint32Array(INITIAL_CAPACITY);
  #expiries = new Float64Array(INITIAL_CAPACITY);
  #times = new Float64Array(INITIAL_CAPACITY);
  #counts = new Uint8Array(INITIAL_CAPACITY);
  #bytes = 0;

  /** @param seed makes the order of keys in the index unpredictable from outside */
  constructor(seed: number) {
    this.#seed = seed;
  }

  get size(): number {
    return this.#keys.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The place of `key`, or {@link NOWHERE}. @param hash its {@link hashOf} */
  find(key: string, hash: number): number {
    const index = this.#index;
    const mask = index.length - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const place = (index[at] as number) - 1;
      if (place < 0) return NOWHERE;
      if (this.#hashes[place] === hash && this.#keys[place] === key) return place;
    }
  }

  /** 32 well mixed bits of a key, the same for all tables with one seed. */
  hashOf(key: string): number {
    let hash = this.#seed;
    for (let at = 0; at < key.length; at += 1) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) >>> 0;
  }

  keyAt(place: number): string {
    return this.#keys[place] as string;
  }

  /** undefined: a tombstone. */
  targetAt(place: number): string | undefined {
    return this.#targets[place];
  }

  /** Milliseconds since 1970; Infinity: never. */
  expiryAt(place: number): number {
    return this.#expiries[place] as number;
  }

  /** When the entry was stored; monotonic milliseconds. */
  timeAt(place: number): number {
    return this.#times[place] as number;
  }

  hashAt(place: number): number {
    return this.#hashes[place] as number;
  }

  /** How often the entry was requested lately. */
  countAt(place: number): number {
    return this.#counts[place] as number;
  }

  bytesAt(place: number): number {
    return linkBytes(this.keyAt(place), this.#targets[place]);
  }

  count(place: number): void {
    const count = this.#counts[place] as number;
    if (count < MAX_COUNT) this.#counts[place] = count + 1;
  }

  /** Adds an entry. Its key must not be in the table. */
  add(
    key: string,
    hash: number,
    target: string | undefined,
    expiry: number,
    time: number,
    count: number,
  ): void {
    const place = this.#keys.length;
    if (place === this.#hashes.length) this.#grow();
    this.#keys.push(key);
    this.#targets.push(target);
    this.#hashes[place] = hash;
    this.#expiries[place] = expiry;
    this.#times[place] = time;
    this.#counts[place] = count;
    this.#bytes += this.bytesAt(place);
    if (place + 1 > this.#index.length * MAX_LOAD) this.#reindex(this.#index.length * 2);
    else this.#addToIndex(place);
  }

  remove(place: number): void {
    this.#bytes -= this.bytesAt(place);
    this.#removeFromIndex(this.#indexOf(place));
    const last = this.#keys.length - 1;
    if (place !== last) {
      this.#index[this.#indexOf(last)] = place + 1;
      this.#keys[place] = this.#keys[last] as string;
      this.#targets[place] = this.#targets[last];
      this.#hashes.copyWithin(place, last, last + 1);
      this.#expiries.copyWithin(place, last, last + 1);
      this.#times.copyWithin(place, last, last + 1);
      this.#counts.copyWithin(place, last, last + 1);
    }
    this.#keys.pop();
    this.#targets.pop();
  }

  clear(): void {
    this.#index = new Int32Array(INITIAL_CAPACITY * 2);
    this.#keys = [];
    this.#targets = [];
    this.#hashes = new Uint32Array(INITIAL_CAPACITY);
    this.#expiries = new Float64Array(INITIAL_CAPACITY);
    this.#times = new Float64Array(INITIAL_CAPACITY);
    this.#counts = new Uint8Array(INITIAL_CAPACITY);
    this.#bytes = 0;
  }

  /** Halves all counts. */
  age(): void {
    const counts = this.#counts;
    for (let place = 0; place < this.#keys.length; place += 1)
      counts[place] = (counts[place] as number) >>> 1;
  }

  #grow(): void {
    const capacity = Math.ceil(this.#hashes.length * GROWTH);
    this.#hashes = grown(this.#hashes, new Uint32Array(capacity));
    this.#expiries = grown(this.#expiries, new Float64Array(capacity));
    this.#times = grown(this.#times, new Float64Array(capacity));
    this.#counts = grown(this.#counts, new Uint8Array(capacity));
  }

  #reindex(length: number): void {
    this.#index = new Int32Array(length);
    for (let place = 0; place < this.#keys.length; place += 1) this.#addToIndex(place);
  }

  #addToIndex(place: number): void {
    const mask = this.#index.length - 1;
    let at = (this.#hashes[place] as number) & mask;
    while (this.#index[at] !== 0) at = (at + 1) & mask;
    this.#index[at] = place + 1;
  }

  #indexOf(place: number): number {
    const mask = this.#index.length - 1;
    let at = (this.#hashes[place] as number) & mask;
    while (this.#index[at] !== place + 1) at = (at + 1) & mask;
    return at;
  }

  /**
   * Frees a position of the index and closes the gap: entries that probing had pushed past it move back
   * (Knuth, 6.4, algorithm R).
   */
  #removeFromIndex(from: number): void {
    const index = this.#index;
    const mask = index.length - 1;
    let gap = from;
    for (let at = (gap + 1) & mask; index[at] !== 0; at = (at + 1) & mask) {
      const home = (this.#hashes[(index[at] as number) - 1] as number) & mask;
      if (((at - home) & mask) < ((at - gap) & mask)) continue;
      index[gap] = index[at] as number;
      gap = at;
    }
    index[gap] = 0;
  }
}

function grown<T extends Uint32Array | Float64Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
