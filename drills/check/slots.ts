import { slotOf } from '../../db/keyspace/placement.ts';
import type { HistoryEntry, RedirectEntry } from '../history/history.ts';
import type { FaultWindow } from '../history/measurements.ts';

/**
 * What became of redirects while the urls server of some slots was down. There is no grace at the beginning.
 */
export interface SlotsTally {
  /** Failed redirects of slots that were up. */
  elsewhere: number;
  /** Refused redirects of keys that the same mapper had answered before. */
  forgotten: number;
  /** Redirects of slots that were down, with another result than 302 or 503. */
  brokenOff: number;
  /** How long each refusal took. */
  refusedMs: number[];
}

/** Separates redirects of slots that are down from others. Expects entries in the order of their ends. */
export class SlotsKeeper {
  readonly #windows: readonly FaultWindow[];
  /** When a mapper first answered for a key; it remembers the link from then on. */
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
