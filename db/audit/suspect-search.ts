import type { Log } from '../../runtime/log.ts';
import { AT_ONCE, type Pace } from '../../runtime/pace.ts';
import type { IssuedKey } from '../keys-db/batch.ts';
import type { KeysDb } from '../keys-db/keys-db.ts';
import { findBound, findUnusable } from './bound.ts';
import { RangeSearch } from './range-search.ts';
import { rangeOf } from './seen-bound.ts';
import { lookAround, type Sightings } from './sightings.ts';
import type { AuditSources } from './sources.ts';
import type { UrlsWatch } from './urls-watch.ts';
import { WrittenOff } from './written-off.ts';

export interface SuspectSearchOptions extends Omit<AuditSources, 'keysDbs'> {
  readonly keysDb: KeysDb;
  readonly epoch: number;
  /** Looks whether a urls server has gone back. */
  readonly watch: Pick<UrlsWatch, 'look'>;
  /** Longer than a mapper may hold a key. */
  readonly quarantineMs: number;
  /** Called with the number of links that were stored and are gone, once for each, in no known accident. */
  readonly onLinksGone: (links: number) => void;
  readonly log: Log;
}

export interface SearchResult {
  /** False when some store or mapper did not answer. The search then has no other result. */
  readonly isComplete: boolean;
  readonly unreachable: readonly string[];
  /** Why they did not answer, by name, where it is known. */
  readonly reasons?: ReadonlyMap<string, string>;
  /** Keys found nowhere, except those that are written off. */
  readonly missing: number;
  /** Ids that have been missing for longer than the quarantine: recycle them. At most MAX_DUE. */
  readonly due: readonly number[];
  /** The write-offs that the search has obeyed. A claim of `due` must name it. */
  readonly version: number;
}

/** Missing keys that are searched again in one piece. */
const KEYS_PER_PIECE = 2_000;

/**
 * The holder's regular search for keys that were lost in a crash. Records missing keys as suspects, clears
 * suspects that were found, and returns those missing for longer than the quarantine.
 *
 * A key that may have been published is never returned: one that an earlier search saw bound, or whose urls
 * server has gone back (docs/decisions/0018).
 *
 * Skips settled ranges: ranges of ids whose every key is bound or written off, which is permanent. Therefore
 * its cost grows with the keys on their way and not with all issued keys. The keys-db records these ranges,
 * so that a successor skips them as well.
 */
export class SuspectSearch {
  readonly #options: SuspectSearchOptions;
  readonly #ranges: RangeSearch;
  /** Links that are gone and were reported, by range of ids. */
  readonly #gone = new Map<number, number>();

  constructor(options: SuspectSearchOptions) {
    this.#options = options;
    this.#ranges = new RangeSearch(options);
  }

  /**
   * One pass. It misses no key, however long it takes, because it reads the places in the direction in which
   * keys flow.
   * @throws StoreUnavailableError when the keys-db does not answer; FencedError; the signal's reason
   */
  async run(signal?: AbortSignal, pace: Pace = AT_ONCE): Promise<SearchResult> {
    const { keysDb, watch, log } = this.#options;
    const { claimedTo } = await keysDb.ownership();
    const before = new WrittenOff((await keysDb.writeOffs()).writeOffs);
    const unusable = await findUnusable(this.#options.urlsDbs);
    if (unusable.length > 0) return incomplete(unusable);
    const sightings = await this.#lookAround(pace, signal);
    if (sightings.unreachable.length > 0) return incomplete(sightings.unreachable, sightings.reasons);
    const pass = await this.#ranges.run({ claimedTo, sightings, writtenOff: before, pace, signal });
    if (pass.unreachable.length > 0) return incomplete(pass.unreachable);
    const again = await this.#searchAgain(pass.missing, pace, signal);
    if (again.unreachable.length > 0) return incomplete(again.unreachable, again.reasons);
    // After all reads: a server that went back before one of them is noticed now.
    const silences = await watch.look();
    if (silences.size > 0) return incomplete([...silences.keys()], silences);
    const { version, writeOffs } = await keysDb.writeOffs();
    const writtenOff = new WrittenOff(writeOffs);
    this.#reportGone(pass.unbound.filter((key) => !writtenOff.covers(key)));
    const missing = new Set(again.missing.filter((key) => !writtenOff.covers(key)).map(({ id }) => id));
    await this.#record(missing, pass.searchedTo);
    const due = await this.#due(missing);
    if (missing.size > 0)
      log.info({ keysDb: keysDb.name, missing: missing.size, due: due.length }, 'keys are missing');
    return { isComplete: true, unreachable: [], missing: missing.size, due, version };
  }

  async #lookAround(pace: Pace, signal: AbortSignal | undefined): Promise<Sightings> {
    return lookAround({ ...this.#options, keysDbs: [this.#options.keysDb] }, signal, pace);
  }

  /** Searches missing keys again. A key put back by a mapper, or in flight, has arrived by now. */
  async #searchAgain(
    missing: readonly IssuedKey[],
    pace: Pace,
    signal: AbortSignal | undefined,
  ): Promise<{
    missing: readonly IssuedKey[];
    unreachable: readonly string[];
    reasons?: ReadonlyMap<string, string>;
  }> {
    if (missing.length === 0) return { missing, unreachable: [] };
    const { keysDb, urlsDbs } = this.#options;
    const sightings = await this.#lookAround(pace, signal);
    const still: IssuedKey[] = [];
    for (let at = 0; at < missing.length; at += KEYS_PER_PIECE) {
      signal?.throwIfAborted();
      const some = missing.slice(at, at + KEYS_PER_PIECE);
      const keys = some.map(({ key }) => key);
      const { bound, unreachable } = await pace.piece(async () => findBound(urlsDbs, keys));
      if (unreachable.length > 0) return { missing: [], unreachable };
      still.push(...some.filter(({ id, key }) => !bound.has(key) && !sightings.find(keysDb.region, id)));
    }
    return { missing: still, unreachable: sightings.unreachable, reasons: sightings.reasons };
  }

  /** Reports links that were deleted from their urls server, each once during a reign. */
  #reportGone(keys: readonly IssuedKey[]): void {
    const { keysDb, onLinksGone, log } = this.#options;
    let links = 0;
    for (const [range, some] of Map.groupBy(keys, ({ id }) => rangeOf(id))) {
      links += Math.max(0, some.length - (this.#gone.get(range) ?? 0));
      this.#gone.set(range, some.length);
    }
    if (links === 0) return;
    onLinksGone(links);
    log.warn(
      { keysDb: keysDb.name, links },
      'stored links are gone from their urls servers: their keys are written off',
    );
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

function incomplete(unreachable: readonly string[], reasons?: ReadonlyMap<string, string>): SearchResult {
  return { isComplete: false, unreachable, ...(reasons && { reasons }), missing: 0, due: [], version: 0 };
}
