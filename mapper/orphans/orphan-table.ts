import { ORPHAN_STATES, type Orphan, type OrphanState } from '../../db/clicks/orphans-db.ts';

interface Counted {
  /** Since the row was last taken. */
  asked: number;
  /** On this day. */
  total: number;
}

/**
 * How often keys were asked for in vain on one day, within a bound of memory. A scan of made-up keys fills it
 * with keys that were asked once. So when it is half full, those asked most stay, and when it is full, new
 * ones are not counted.
 */
export class OrphanTable {
  readonly #maxKeys: number;
  readonly #counts: Readonly<Record<OrphanState, Map<string, Counted>>> = {
    unknown: new Map(),
    expired: new Map(),
  };

  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys;
  }

  get size(): number {
    return this.#counts.unknown.size + this.#counts.expired.size;
  }

  /** @returns false when there was no room */
  add(key: string, state: OrphanState): boolean {
    const counts = this.#counts[state];
    const counted = counts.get(key);
    if (counted !== undefined) {
      counted.asked += 1;
      counted.total += 1;
      return true;
    }
    if (this.size >= this.#maxKeys) return false;
    counts.set(key, { asked: 1, total: 1 });
    return true;
  }

  /**
   * Takes what was counted since the last time, at most so many rows, those asked most on this day first.
   * When the table is half full, forgets the keys asked least.
   */
  take(maxRows: number): Orphan[] {
    const all = ORPHAN_STATES.flatMap((state) =>
      [...this.#counts[state]].map(([key, counted]) => ({ key, state, counted })),
    ).sort((a, b) => b.counted.total - a.counted.total);
    const rows = all
      .filter(({ counted }) => counted.asked > 0)
      .slice(0, maxRows)
      .map(({ key, state, counted }) => {
        const { asked } = counted;
        counted.asked = 0;
        return { key, state, asked };
      });
    for (const { key, state } of all.slice(this.#maxKeys / 2)) this.#counts[state].delete(key);
    return rows;
  }
}
