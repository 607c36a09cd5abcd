import type { IdRange } from '../../db/keyspace/key.ts';
import { SHARE_WITH_KEY } from '../../db/keyspace/loose-ends.ts';
import type { CounterSource } from './counter-source.ts';
import type { KeySupply } from './key-supply.ts';

/** All keys that a mapper holds, as `GET /reserve` answers. */
export interface HeldByMapper {
  readonly keys: readonly string[];
  /** Ids whose keys it holds as well. A batch of the counter has up to 100,000. */
  readonly ranges: readonly IdRange[];
}

export function heldBy(
  supply: Pick<KeySupply, 'heldKeys'>,
  counter: Pick<CounterSource, 'ranges' | 'returned'> | undefined,
): HeldByMapper {
  if (counter === undefined) return { keys: supply.heldKeys(), ranges: [] };
  return { keys: [...supply.heldKeys(), ...counter.returned()], ranges: counter.ranges() };
}

/** How many keys these are, about: which ids have no key is not looked up. */
export function countHeld({ keys, ranges }: HeldByMapper): number {
  const ids = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  return keys.length + Math.round(ids * SHARE_WITH_KEY);
}
