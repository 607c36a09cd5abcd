import { SLOT_COUNT } from '../../runtime/config/slots.ts';
import type { IssuedKey } from '../keys-db/batch.ts';
import type { KeysDb } from '../keys-db/keys-db.ts';
import type { WriteOff } from '../keys-db/write-offs.ts';
import { slotOf } from '../keyspace/placement.ts';
import { IdWindow } from './id-window.ts';
import { idsOfRange, rangeOf } from './seen-bound.ts';

/** The keys that the write-offs of one keys-db cover. Pure. */
export class WrittenOff {
  /** For each slot the highest claim mark up to which its missing keys are written off. */
  readonly #marks: number[] = Array.from({ length: SLOT_COUNT }, () => 0);

  constructor(writeOffs: readonly WriteOff[]) {
    for (const { slots, claimedTo } of writeOffs) {
      for (let slot = 0; slot < SLOT_COUNT; slot += 1) {
        const isCovered = Math.floor(slots / 2 ** slot) % 2 === 1;
        if (isCovered) this.#marks[slot] = Math.max(this.#marks[slot] ?? 0, claimedTo);
      }
    }
  }

  /** Whether this key must not be recycled if it is found nowhere. */
  covers({ id, key }: IssuedKey): boolean {
    return id <= (this.#marks[slotOf(key)] ?? 0);
  }
}

/**
 * How many of these missing keys are never recycled: their urls server has gone back, a search saw them
 * bound, or their range is settled.
 */
export async function countWrittenOff(db: KeysDb, keys: readonly IssuedKey[]): Promise<number> {
  if (keys.length === 0) return 0;
  const writtenOff = new WrittenOff((await db.writeOffs()).writeOffs);
  const settled = new Set(await db.settledRanges());
  const byRange = Map.groupBy(keys, ({ id }) => rangeOf(id));
  const seen = await db.seenBound([...byRange.keys()]);
  let count = 0;
  for (const [range, some] of byRange) {
    const { first, last } = idsOfRange(range);
    const bound = new IdWindow(first, last, seen.get(range));
    const isWrittenOff = (key: IssuedKey): boolean => writtenOff.covers(key) || bound.has(key.id);
    count += settled.has(range) ? some.length : some.filter(isWrittenOff).length;
  }
  return count;
}
