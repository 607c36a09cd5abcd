import { counterKeys, type CounterKey } from '../../db/counter/counter-keys.ts';
import type { IdRange, Keyspace } from '../../db/keyspace/key.ts';

interface Batch {
  next: number;
  readonly last: number;
}

/** Keys are made as they are drawn: 512 take a fifth of a millisecond, 100,000 would block the process. */
const IDS_AT_A_TIME = 512;

/**
 * The batches of ids that this mapper has reserved, and the keys that were put back. Each key is drawn once.
 *
 * {@link ranges} and {@link returned} are complete at every moment, because the audit treats a key that is
 * nowhere else as lost.
 */
export class CounterBatches {
  readonly #space: { readonly keyspace: Keyspace; readonly region: number };
  readonly #batches: Batch[] = [];
  /** Of the first batch, in the order of their ids, from `#at` on. */
  #made: CounterKey[] = [];
  #at = 0;
  #returned: string[] = [];

  constructor(space: { readonly keyspace: Keyspace; readonly region: number }) {
    this.#space = space;
  }

  /** Ids that are left, of which some may have no key, and keys that were put back. */
  get size(): number {
    return this.ranges().reduce((sum, { first, last }) => sum + last - first + 1, this.#returned.length);
  }

  /** The ids that are left. */
  ranges(): IdRange[] {
    const { region } = this.#space;
    const made = this.#made[this.#at]?.id;
    return this.#batches
      .map(({ next, last }, index) => ({ region, first: index === 0 ? (made ?? next) : next, last }))
      .filter(({ first, last }) => first <= last);
  }

  /** The keys that were put back. */
  returned(): readonly string[] {
    return this.#returned;
  }

  add({ first, last }: { readonly first: number; readonly last: number }): void {
    this.#batches.push({ next: first, last });
  }

  putBack(keys: readonly string[]): void {
    this.#returned.push(...keys);
  }

  /** Up to `count` keys. Fewer when no more are left. */
  draw(count: number): string[] {
    const keys = this.#returned.splice(0, count);
    while (keys.length < count) {
      const made = this.#made[this.#at];
      if (made !== undefined) {
        keys.push(made.key);
        this.#at += 1;
      } else if (!this.#make()) break;
    }
    return keys;
  }

  /** Forgets everything: nobody uses these keys any more. @returns how many ids were left */
  clear(): number {
    const { size } = this;
    this.#batches.length = 0;
    this.#made = [];
    this.#at = 0;
    this.#returned = [];
    return size;
  }

  /** Makes keys of the next ids. @returns false when no ids are left */
  #make(): boolean {
    const [batch] = this.#batches;
    if (batch === undefined) return false;
    const count = Math.min(IDS_AT_A_TIME, batch.last - batch.next + 1);
    this.#made = count > 0 ? counterKeys(this.#space, batch.next, count) : [];
    this.#at = 0;
    batch.next += count;
    if (count === 0) this.#batches.shift();
    return true;
  }
}
