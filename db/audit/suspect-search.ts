import type { Log } from '../../runtime/log.ts';
import { AT_ONCE, type Pace } from '../../runtime/pace.ts';
import type { IssuedKey } from '../keys-db/batch.ts';
import type { KeysDb } from '../keys-db/keys-db.ts';
import { SETTLED_RANGE } from '../keys-db/suspects.ts';
import { findBound } from './bound.ts';
import { lookAround, type Sightings } from './sightings.ts';
import type { AuditSources } from './sources.ts';

export interface SuspectSearchOptions extends Omit<AuditSources, 'keysDbs'> {
  readonly keysDb: KeysDb;
  /** Longer than a mapper may hold a key. */
  readonly quarantineMs: number;
  readonly log: Log;
}

export interface SearchResult {
  /** False when some store or mapper did not answer. The search then has no other result. */
  readonly isComplete: boolean;
  readonly unreachable: readonly string[];
  /** Why they did not answer, by name, where it is known. */
  readonly reasons?: ReadonlyMap<string, string>;
  /** Keys found nowhere. */
  readonly missing: number;
  /** Ids that have been missing for longer than the quarantine: recycle them. At most MAX_DUE. */
  readonly due: readonly number[];
}

/**
 * A search stops when this many keys are missing. After these were recycled, a later search finds the rest.
 */
const MAX_MISSING = 200_000;
const RANGES_PER_RECORD = 20;
/** Ids searched in one piece, which takes some milliseconds. */
const IDS_PER_PIECE = 2_000;

/**
 * The holder's regular search for keys that were lost in a crash. Records missing keys as suspects, clears
 * suspects that were found, and returns those missing for longer than the quarantine.
 *
 * Skips settled ranges: ranges of ids whose every key is bound, which is permanent. Therefore its cost grows
 * with the keys on their way and not with all issued keys. The keys-db records these ranges, so that a
 * successor skips them as well.
 */
export class SuspectSearch {
  readonly #options: SuspectSearchOptions;
  #settled: Set<number> | undefined;

  constructor(options: SuspectSearchOptions) {
    this.#options = options;
  }

  /**
   * One pass. It misses no key, however long it takes, because it reads the places in the direction in which
   * keys flow.
   * @throws StoreUnavailableError when the keys-db does not answer; the signal's reason
   */
  async run(signal?: AbortSignal, pace: Pace = AT_ONCE): Promise<SearchResult> {
    const { keysDb, log } = this.#options;
    const { claimedTo } = await keysDb.ownership();
    const sightings = await this.#lookAround(pace, signal);
    if (sightings.unreachable.length > 0) return incomplete(sightings.unreachable, sightings.reasons);
    const pass = await this.#searchRanges(claimedTo, sightings, pace, signal);
    if (pass.unreachable.length > 0) return incomplete(pass.unreachable);
    const again = await this.#searchAgain(pass.missing, pace, signal);
    if (again.unreachable.length > 0) return incomplete(again.unreachable, again.reasons);
    const { missing } = again;
    await this.#record(missing, pass.searchedTo);
    const due = await this.#due(missing);
    if (missing.size > 0)
      log.info({ keysDb: keysDb.name, missing: missing.size, due: due.length }, 'keys are missing');
    return { isComplete: true, unreachable: [], missing: missing.size, due };
  }

  async #lookAround(pace: Pace, signal: AbortSignal | undefined): Promise<Sightings> {
    return lookAround({ ...this.#options, keysDbs: [this.#options.keysDb] }, signal, pace);
  }

  async #searchRanges(
    claimedTo: number,
    sightings: Sightings,
    pace: Pace,
    signal: AbortSignal | undefined,
  ): Promise<{ missing: IssuedKey[]; searchedTo: number; unreachable: string[] }> {
    const { keysDb } = this.#options;
    this.#settled ??= new Set(await keysDb.settledRanges());
    const missing: IssuedKey[] = [];
    const settled: number[] = [];
    let searchedTo = 0;
    for (let range = 0; searchedTo < claimedTo && missing.length < MAX_MISSING; range += 1) {
      const last = Math.min((range + 1) * SETTLED_RANGE, claimedTo);
      if (!this.#settled.has(range)) {
        let isBound = last === (range + 1) * SETTLED_RANGE;
        for (let first = range * SETTLED_RANGE + 1; first <= last; first += IDS_PER_PIECE) {
          signal?.throwIfAborted();
          const ids = { first, last: Math.min(first + IDS_PER_PIECE - 1, last) };
          const found = await pace.piece(async () => this.#searchIds(ids, sightings));
          if (found.unreachable.length > 0)
            return { missing: [], searchedTo, unreachable: found.unreachable };
          missing.push(...found.missing);
          isBound &&= found.isBound;
        }
        if (isBound) settled.push(range);
        if (settled.length === RANGES_PER_RECORD) await this.#recordSettled(settled.splice(0));
      }
      searchedTo = last;
    }
    await this.#recordSettled(settled);
    return { missing, searchedTo, unreachable: [] };
  }

  async #searchIds(
    { first, last }: { first: number; last: number },
    sightings: Sightings,
  ): Promise<{ missing: IssuedKey[]; isBound: boolean; unreachable: string[] }> {
    const { keysDb, urlsDbs } = this.#options;
    const keys = await keysDb.keysBetween(first, last);
    const unseen = keys.filter(({ id }) => !sightings.find(keysDb.region, id));
    const { bound, unreachable } = await findBound(urlsDbs, unseen.map(keyOf));
    const missing = unseen.filter(({ key }) => !bound.has(key));
    return { missing, isBound: bound.size === keys.length, unreachable };
  }

  async #recordSettled(ranges: readonly number[]): Promise<void> {
    if (ranges.length === 0) return;
    await this.#options.keysDb.recordSettled(ranges);
    for (const range of ranges) this.#settled?.add(range);
  }

  /** Searches missing keys again. A key put back by a mapper, or in flight, has arrived by now. */
  async #searchAgain(
    missing: readonly IssuedKey[],
    pace: Pace,
    signal: AbortSignal | undefined,
  ): Promise<{
    missing: Set<number>;
    unreachable: readonly string[];
    reasons?: ReadonlyMap<string, string>;
  }> {
    if (missing.length === 0) return { missing: new Set(), unreachable: [] };
    const { keysDb, urlsDbs } = this.#options;
    const sightings = await this.#lookAround(pace, signal);
    const still = new Set<number>();
    for (let at = 0; at < missing.length; at += IDS_PER_PIECE) {
      signal?.throwIfAborted();
      const some = missing.slice(at, at + IDS_PER_PIECE);
      const { bound, unreachable } = await pace.piece(async () => findBound(urlsDbs, some.map(keyOf)));
      if (unreachable.length > 0) return { missing: still, unreachable };
      for (const { id, key } of some)
        if (!bound.has(key) && !sightings.find(keysDb.region, id)) still.add(id);
    }
    return { missing: still, unreachable: sightings.unreachable, reasons: sightings.reasons };
  }

  async #record(missing: ReadonlySet<number>, searchedTo: number): Promise<void> {
    const { keysDb } = this.#options;
    const known = new Set(await keysDb.suspects(searchedTo));
    await keysDb.clearSuspects([...known].filter((id) => !missing.has(id)));
    await keysDb.recordSuspects([...missing].filter((id) => !known.has(id)));
  }

  async #due(missing: ReadonlySet<number>): Promise<number[]> {
    const { keysDb, quarantineMs } = this.#options;
    if (missing.size === 0) return [];
    return (await keysDb.dueSuspects(quarantineMs)).filter((id) => missing.has(id));
  }
}

function keyOf({ key }: IssuedKey): string {
  return key;
}

function incomplete(unreachable: readonly string[], reasons?: ReadonlyMap<string, string>): SearchResult {
  return { isComplete: false, unreachable, ...(reasons && { reasons }), missing: 0, due: [] };
}
