import type { Pace } from '../../runtime/pace.ts';
import type { IssuedKey } from '../keys-db/batch.ts';
import type { KeysDb } from '../keys-db/keys-db.ts';
import type { UrlsDb } from '../urls/links.ts';
import { findBound } from './bound.ts';
import { idsOfRange, SeenBound } from './seen-bound.ts';
import type { Sightings } from './sightings.ts';
import type { WrittenOff } from './written-off.ts';

/**
 * A search stops when this many keys are missing. After these were recycled, a later search finds the rest.
 */
const MAX_MISSING = 200_000;
const RANGES_PER_RECORD = 20;
/** Ids searched in one piece, which takes some milliseconds. */
const IDS_PER_PIECE = 2_000;

export interface RangeSearchOptions {
  readonly keysDb: KeysDb;
  readonly epoch: number;
  readonly urlsDbs: readonly UrlsDb[];
}

/** What one pass goes by. */
export interface RangePass {
  readonly claimedTo: number;
  readonly sightings: Sightings;
  readonly writtenOff: WrittenOff;
  readonly pace: Pace;
  readonly signal: AbortSignal | undefined;
}

export interface RangesSearched {
  /** Keys found nowhere that may be recycled, as far as the pass knows. */
  readonly missing: readonly IssuedKey[];
  /** Keys that an earlier search saw bound and that are not bound now. At most {@link MAX_MISSING}. */
  readonly unbound: readonly IssuedKey[];
  readonly searchedTo: number;
  /** If not empty, the search was broken off. */
  readonly unreachable: readonly string[];
}

/**
 * Searches the ranges of ids that are not settled. Keeps a bit for every key that it sees bound. Records a
 * range as settled when each of its keys is bound or written off: none of them is ever recycled.
 */
export class RangeSearch {
  readonly #options: RangeSearchOptions;
  readonly #seen: SeenBound;
  #settled: Set<number> | undefined;

  constructor(options: RangeSearchOptions) {
    this.#options = options;
    this.#seen = new SeenBound(options.keysDb, options.epoch);
  }

  /** @throws StoreUnavailableError when the keys-db does not answer; FencedError; the signal's reason */
  async run(pass: RangePass): Promise<RangesSearched> {
    this.#settled ??= new Set(await this.#options.keysDb.settledRanges());
    const missing: IssuedKey[] = [];
    const unbound: IssuedKey[] = [];
    const settled: number[] = [];
    let searchedTo = 0;
    for (let range = 0; searchedTo < pass.claimedTo && missing.length < MAX_MISSING; range += 1) {
      const last = Math.min(idsOfRange(range).last, pass.claimedTo);
      if (!this.#settled.has(range)) {
        const found = await this.#searchRange(range, last, pass);
        if (found.unreachable.length > 0)
          return { missing: [], unbound: [], searchedTo, unreachable: found.unreachable };
        for (const key of found.missing) missing.push(key);
        for (const key of found.unbound) if (unbound.length < MAX_MISSING) unbound.push(key);
        if (found.isSettled) settled.push(range);
        if (settled.length === RANGES_PER_RECORD) await this.#recordSettled(settled.splice(0));
      }
      searchedTo = last;
    }
    await this.#recordSettled(settled);
    return { missing, unbound, searchedTo, unreachable: [] };
  }

  async #searchRange(range: number, last: number, pass: RangePass): Promise<RangeFound> {
    const { pace, signal } = pass;
    const ids = idsOfRange(range);
    const seen = this.#seen;
    await seen.load(range);
    const result: RangeFound = { missing: [], unbound: [], unreachable: [], isSettled: last === ids.last };
    for (let first = ids.first; first <= last; first += IDS_PER_PIECE) {
      signal?.throwIfAborted();
      const piece = { first, last: Math.min(first + IDS_PER_PIECE - 1, last) };
      const found = await pace.piece(async () => this.#searchIds(piece, pass.sightings));
      if (found.unreachable.length > 0) return { ...result, unreachable: found.unreachable };
      if (found.isOnWay) result.isSettled = false;
      for (const { id } of found.bound) seen.add(id);
      for (const key of found.missing) {
        if (pass.writtenOff.covers(key)) continue;
        if (seen.has(key.id)) result.unbound.push(key);
        else {
          result.missing.push(key);
          result.isSettled = false;
        }
      }
    }
    if (!result.isSettled) await seen.keep(range);
    return result;
  }

  async #searchIds({ first, last }: { first: number; last: number }, sightings: Sightings) {
    const { keysDb, urlsDbs } = this.#options;
    const keys = await keysDb.keysBetween(first, last);
    const unseen = keys.filter(({ id }) => !sightings.find(keysDb.region, id));
    const { bound, unreachable } = await findBound(
      urlsDbs,
      unseen.map(({ key }) => key),
    );
    return {
      bound: unseen.filter(({ key }) => bound.has(key)),
      missing: unseen.filter(({ key }) => !bound.has(key)),
      isOnWay: unseen.length < keys.length,
      unreachable,
    };
  }

  async #recordSettled(ranges: readonly number[]): Promise<void> {
    if (ranges.length === 0) return;
    await this.#options.keysDb.recordSettled(ranges);
    for (const range of ranges) this.#settled?.add(range);
    await this.#seen.forget(ranges);
  }
}

interface RangeFound {
  readonly missing: IssuedKey[];
  readonly unbound: IssuedKey[];
  readonly unreachable: readonly string[];
  isSettled: boolean;
}
