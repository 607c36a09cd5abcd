import { type SuspectSearch } from '../../db/audit/suspect-search.ts';
import { MAX_DUE } from '../../db/keys-db/suspects.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { AT_ONCE, Unhurried, type Pace } from '../../runtime/pace.ts';
import { pauseQuietly } from '../../runtime/retry.ts';
import type { RecycleQueue } from './recycle-queue.ts';

export interface RecyclerOptions {
  readonly shard: string;
  readonly search: Pick<SuspectSearch, 'run'>;
  readonly queue: Pick<RecycleQueue, 'offer'>;
  readonly log: Log;
  readonly onRecycled: (keys: number) => void;
  /** See `onSearched` of a reign. */
  readonly onSearched?: ((blockedBy: ReadonlyMap<string, string>) => void) | undefined;
  /** From the end of one regular search to the start of the next. Default a minute. */
  readonly everyMs?: number;
  /** Aborted when the reign ends. */
  readonly signal: AbortSignal;
}

export interface RecycleResult {
  /** Keys claimed again. */
  readonly recycled: number;
  /** Keys found nowhere, those in quarantine included. */
  readonly missing: number;
  /** Names of the stores and mappers that did not answer; then no key is counted as missing. */
  readonly unreachable: readonly string[];
}

/** The results of several reigns, added up. */
export function sumOf(results: readonly RecycleResult[]): RecycleResult {
  return {
    recycled: results.reduce((sum, { recycled }) => sum + recycled, 0),
    missing: results.reduce((sum, { missing }) => sum + missing, 0),
    unreachable: [...new Set(results.flatMap(({ unreachable }) => unreachable))],
  };
}

const USUAL_EVERY_MS = 60_000;
const SILENT = 'it does not answer';
/** A search that was stopped is repeated after this time: the cause may be short, such as a dead mapper. */
const BLOCKED_EVERY_MS = 10_000;
/** One pass finds at most {@link MAX_DUE} keys. After a great loss many passes follow each other. */
const MAX_PASSES = 50;

/** The holder's search for leaked keys: slowly at intervals, and immediately for an operator. */
export class Recycler {
  readonly #options: RecyclerOptions;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(options: RecyclerOptions) {
    this.#options = options;
  }

  /** Searches at intervals until the reign ends. */
  async run(): Promise<void> {
    const { everyMs = USUAL_EVERY_MS, signal, log } = this.#options;
    // A random delay, so that shards taken at the same time do not search at the same time.
    await pauseQuietly(everyMs * (0.5 + Math.random() / 2), signal);
    while (!signal.aborted) {
      const unhurried = new Unhurried(() => this.#waiting > 0, signal);
      const result = await this.#search(unhurried).catch((error: unknown) => {
        if (!signal.aborted) log.info({ error }, 'search for leaked keys not finished; it will be repeated');
        return undefined;
      });
      const isComplete = result?.unreachable.length === 0;
      await pauseQuietly(isComplete ? everyMs : Math.min(everyMs, BLOCKED_EVERY_MS), signal);
    }
  }

  /**
   * Searches now, and claims the keys again that have been missing longer than the quarantine. One search
   * runs at a time, so a regular one in flight continues at full speed first. If the reign ends first, the
   * shard counts as unreachable: the next holder searches again.
   */
  async recycle(): Promise<RecycleResult> {
    this.#waiting += 1;
    try {
      return await this.#search(AT_ONCE);
    } finally {
      this.#waiting -= 1;
    }
  }

  async #search(pace: Pace): Promise<RecycleResult> {
    const { shard, signal } = this.#options;
    const search = this.#last.then(() => this.#passes(pace));
    this.#last = search.catch(() => undefined);
    return search.catch((error: unknown) => {
      if (signal.aborted) return { recycled: 0, missing: 0, unreachable: [shard] };
      this.#options.onSearched?.(new Map([[shard, messageOf(error)]]));
      throw error;
    });
  }

  async #passes(pace: Pace): Promise<RecycleResult> {
    const { search, queue, onRecycled, onSearched, signal, log } = this.#options;
    let recycled = 0;
    for (let pass = 1; ; pass += 1) {
      const { due, missing, unreachable, reasons, version } = await search.run(signal, pace);
      if (!signal.aborted)
        onSearched?.(new Map(unreachable.map((name) => [name, reasons?.get(name) ?? SILENT])));
      if (due.length > 0 && (await queue.offer({ ids: due, version }, signal))) {
        recycled += due.length;
        onRecycled(due.length);
        log.info({ keys: due.length }, 'leaked keys are recycled');
      }
      if (due.length < MAX_DUE || pass === MAX_PASSES || signal.aborted)
        return { recycled, missing, unreachable };
    }
  }
}
