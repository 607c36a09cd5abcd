import type { Keyspace } from '../../db/keyspace/key.ts';

export interface IssuedKeysOptions {
  readonly keyspace: Pick<Keyspace, 'locate'>;
  /** The configured keys-dbs. */
  readonly keysDbs: readonly { readonly name: string; readonly region: number }[];
  /** Names of all pools. */
  readonly pools: readonly string[];
  /** The region of the counter. Undefined: there is no users database, and so no counter. */
  readonly counterRegion?: number | undefined;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** Without an answer for this long, the marks of a pool, or the mark of the counter, may be far behind. */
const OUTDATED_AFTER_MS = 3_000;
/**
 * How many ids may be claimed while a mark is on its way to us and an absence is remembered, together 8 s.
 * The bench `deliver` moves up to 630,000 keys per second, this is 13 times as many. By counter, half of it
 * is for a counter that was ahead of its mark, or a mark that was lifted. With the other half, 64 processes
 * can reserve five of the largest batches each.
 */
const MARGIN = 2 ** 26;

/**
 * Which keys may have been issued, and so may become a link at any moment, on any mapper.
 *
 * A holder writes its claim mark, the highest id that it has claimed, into a Redis together with the keys
 * that it delivers there. So whoever has read the marks of all pools knows of every key that somebody could
 * have taken by then. A mapper moves the mark of the counter before it uses the ids up to it.
 */
export class IssuedKeys {
  readonly #options: IssuedKeysOptions;
  /** By region. */
  readonly #marks = new Map<number, number>();
  readonly #readAtMs = new Map<string, number>();
  #counterReadAtMs = Number.NEGATIVE_INFINITY;
  readonly #configured: ReadonlySet<number>;

  constructor(options: IssuedKeysOptions) {
    this.#options = options;
    const { keysDbs, counterRegion } = options;
    this.#configured = new Set([
      ...keysDbs.map(({ region }) => region),
      ...(counterRegion === undefined ? [] : [counterRegion]),
    ]);
  }

  /**
   * The claim marks that a pool stores, in the order of the keys-dbs; undefined where it stores none. A mark
   * never falls: a Redis that lost its data, or that was restored, knows less than we do.
   */
  record(pool: string, marks: readonly (number | undefined)[]): void {
    this.#readAtMs.set(pool, this.#options.now());
    this.#options.keysDbs.forEach(({ region }, index) => {
      const mark = marks[index];
      if (mark !== undefined) this.#marks.set(region, Math.max(mark, this.#marks.get(region) ?? 0));
    });
  }

  /** The highest mark of the counter that was ever read; it was read again just now. */
  recordCounter(mark: number): void {
    const { counterRegion, now } = this.#options;
    if (counterRegion === undefined) return;
    this.#counterReadAtMs = now();
    this.#marks.set(counterRegion, mark);
  }

  /**
   * False only if `key` is certainly not issued within the next seconds. Costs a permutation, some ten
   * microseconds.
   */
  mayBeIssued(key: string): boolean {
    const place = this.#options.keyspace.locate(key);
    if (place === undefined || !this.#configured.has(place.region)) return false;
    const mark = this.#marks.get(place.region);
    return mark === undefined || place.id <= mark + MARGIN || this.#isOutdated(place.region);
  }

  #isOutdated(region: number): boolean {
    const { pools, counterRegion, now } = this.#options;
    const oldestMs = now() - OUTDATED_AFTER_MS;
    if (region === counterRegion) return this.#counterReadAtMs < oldestMs;
    return pools.some((pool) => (this.#readAtMs.get(pool) ?? Number.NEGATIVE_INFINITY) < oldestMs);
  }
}
