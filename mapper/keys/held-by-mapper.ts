import type { IdRange } from '../../db/keyspace/key.ts';
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
