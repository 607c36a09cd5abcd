import { counterKeys } from '../counter/counter-keys.ts';
import type { IssuedKey } from '../keys-db/batch.ts';
import type { KeysDb } from '../keys-db/keys-db.ts';
import type { Keyspace } from '../keyspace/key.ts';
import type { CounterMark } from './sources.ts';
import { countWrittenOff } from './written-off.ts';

/** A region whose keys are issued in the order of their ids, and what the audit needs to know of it. */
export interface IssuedRegion {
  readonly region: number;
  /** Every id up to it has been issued. Read before anything else. */
  readonly mark: number;
  /** Keys that are generated and not issued. */
  readonly unused: number;
  readonly recycled: number;
  /**
   * The keys of a range of ids, both included, none above the mark.
   * @returns also whether a key of the range is not recorded that should be
   */
  keysBetween(first: number, last: number): Promise<{ keys: readonly IssuedKey[]; isComplete: boolean }>;
  /** How many of these keys, which are found nowhere, are never used again. */
  countWrittenOff(keys: readonly IssuedKey[]): Promise<number>;
  /** The mark as it is now. */
  readMark(): Promise<number>;
}

/** @throws StoreUnavailableError */
export async function regionOfKeysDb(db: KeysDb): Promise<IssuedRegion> {
  const { claimedTo, generatedTo } = await db.ownership();
  return {
    region: db.region,
    mark: claimedTo,
    unused: await db.countExactly(claimedTo + 1, generatedTo),
    recycled: await db.recycledCount(),
    keysBetween: async (firstId, lastId) => {
      const keys = await db.keysBetween(firstId, lastId);
      return { keys, isComplete: await db.isComplete({ firstId, lastId, rows: keys }) };
    },
    countWrittenOff: async (keys) => countWrittenOff(db, keys),
    readMark: async () => (await db.ownership()).claimedTo,
  };
}

/**
 * The region of the counter. No store has its keys: they follow from their ids. What no mapper holds is lost
 * for ever, because nobody knows which keys a killed mapper has published.
 * @throws StoreUnavailableError
 */
export async function regionOfCounter(
  keyspace: Keyspace,
  { region, marks }: CounterMark,
): Promise<IssuedRegion> {
  return {
    region,
    mark: await marks.read(),
    unused: 0,
    recycled: 0,
    keysBetween: async (first, last) => ({
      keys: counterKeys({ keyspace, region }, first, last - first + 1),
      isComplete: true,
    }),
    countWrittenOff: async (keys) => keys.length,
    readMark: async () => marks.read(),
  };
}
