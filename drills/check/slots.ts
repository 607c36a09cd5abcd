import { slotOf } from '../../db/keyspace/placement.ts';
import type { HistoryEntry, RedirectEntry } from '../load/history.ts';
import type { FaultWindow } from '../stage/stage.ts';

/** What became of redirects while the urls server of some slots was down, from its first moment on. */
export interface SlotsTally {
  /** Redirects of the other slots that did not succeed. */
  elsewhere: number;
  /** Redirects that a mapper had answered before, and now did not. */
  forgotten: number;
  /** Redirects of slots that were down that ended otherwise than by 302 or 503. */
  brokenOff: number;
  /** How fast the refusals came. */
  refusedMs: number[];
}

/** Tells redirects of slots that are down from all others; entries come in the order in which they ended. */
export class SlotsKeeper {
  readonly #windows: readonly FaultWindow[];
  /** When a mapper first answered for a key of the slots in question: it remembers since. */
  readonly #remembered = new Map<string, number>();
  readonly tally: SlotsTally = { elsewhere: 0, forgotten: 0, brokenOff: 0, refusedMs: [] };

  constructor(windows: readonly FaultWindow[]) {
    this.#windows = windows.filter(({ slotsDown }) => slotsDown.size > 0);
  }

  add(entry: HistoryEntry): void {
    if (entry.op !== 'redirect' || this.#windows.length === 0) return;
    const window = this.#windows.find(({ fromMs, toMs }) => entry.at >= fromMs && entry.at <= toMs);
    if (window !== undefined && entry.outcome !== 'right') this.#addFailure(entry, window);
    const name = `${entry.via} ${entry.key}`;
    if (entry.outcome === 'right' && !this.#remembered.has(name))
      this.#remembered.set(name, entry.at + entry.ms);
  }

  #addFailure({ at, ms, key, via, outcome }: RedirectEntry, { slotsDown }: FaultWindow): void {
    const { tally } = this;
    if (!slotsDown.has(slotOf(key))) tally.elsewhere += 1;
    else if (outcome !== 'refused') tally.brokenOff += 1;
    else {
      tally.refusedMs.push(ms);
      if ((this.#remembered.get(`${via} ${key}`) ?? Infinity) < at) tally.forgotten += 1;
    }
  }
}
