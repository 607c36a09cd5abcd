import type { KeysDb } from '../keys-db/keys-db.ts';
import { SETTLED_RANGE } from '../keys-db/suspects.ts';
import { IdWindow } from './id-window.ts';

/** The range of ids with this number. */
export function idsOfRange(range: number): { first: number; last: number } {
  return { first: range * SETTLED_RANGE + 1, last: (range + 1) * SETTLED_RANGE };
}

/** The number of the range of an id. */
export function rangeOf(id: number): number {
  return Math.floor((id - 1) / SETTLED_RANGE);
}

interface Range {
  readonly window: IdWindow;
  /** Whether all bits are stored. */
  isKept: boolean;
}

/** One bit for every key that some search saw bound, in the ranges that are not settled yet. */
export class SeenBound {
  readonly #keysDb: KeysDb;
  readonly #epoch: number;
  readonly #ranges = new Map<number, Range>();

  constructor(keysDb: KeysDb, epoch: number) {
    this.#keysDb = keysDb;
    this.#epoch = epoch;
  }

  /** Reads the bits of a range, once: during a reign its search alone changes them. */
  async load(range: number): Promise<void> {
    if (this.#ranges.has(range)) return;
    const { first, last } = idsOfRange(range);
    const window = new IdWindow(first, last, (await this.#keysDb.seenBound([range])).get(range));
    this.#ranges.set(range, { window, isKept: true });
  }

  /** Only for ids of loaded ranges. */
  has(id: number): boolean {
    return this.#ranges.get(rangeOf(id))?.window.has(id) ?? false;
  }

  /** Only for ids of loaded ranges. */
  add(id: number): void {
    const range = this.#ranges.get(rangeOf(id));
    if (range === undefined || range.window.has(id)) return;
    range.window.add(id);
    range.isKept = false;
  }

  /** Stores the bits of a range if there are new ones. @throws FencedError */
  async keep(range: number): Promise<void> {
    const loaded = this.#ranges.get(range);
    if (loaded === undefined || loaded.isKept) return;
    await this.#keysDb.keepSeenBound({ epoch: this.#epoch, range, bits: loaded.window.bits });
    loaded.isKept = true;
  }

  /** Call it when these ranges are recorded as settled. */
  async forget(ranges: readonly number[]): Promise<void> {
    await this.#keysDb.forgetSeenBound(ranges);
    for (const range of ranges) this.#ranges.delete(range);
  }
}
