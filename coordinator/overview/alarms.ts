import { naturally } from '../../runtime/natural-order.ts';
import type { Coordination } from './coordination.ts';

/** A shard that producers do not contend for, even when it is free, in the output of `status`. */
export interface RefusedEntry {
  readonly shard: string;
  readonly why: string;
  readonly producers: readonly string[];
}

/** A free shard that no producer will take, in the output of `status`. */
export interface UnheldEntry {
  readonly shard: string;
  readonly why: string;
}

/** A store or mapper whose silence stops the recycling of leaked keys, in the output of `status`. */
export interface BlockerEntry {
  readonly by: string;
  readonly why: string;
}

/** As the producers say it, sorted by shard. */
export function refusedEntries({ producers }: Pick<Coordination, 'producers'>): RefusedEntry[] {
  const said = producers.flatMap(({ id, refused }) =>
    Object.entries(refused).map(([shard, why]) => ({ id, shard, why })),
  );
  return [...Map.groupBy(said, ({ shard, why }) => JSON.stringify([shard, why])).values()]
    .flatMap((same) => {
      const [first] = same;
      return first
        ? [{ shard: first.shard, why: first.why, producers: same.map(({ id }) => id).sort(naturally) }]
        : [];
    })
    .sort((a, b) => naturally(a.shard, b.shard));
}

/**
 * The free shards, if no producer will take them, in order. A producer with room takes a free shard within
 * seconds, unless it refuses it, which is an alarm of its own. Pure.
 */
export function unheldEntries(
  shards: readonly string[],
  coordination: Pick<Coordination, 'locks' | 'producers' | 'drained'>,
): UnheldEntry[] {
  const why = whyNobodyTakes(coordination);
  if (why === undefined) return [];
  return shards.filter((shard) => !coordination.locks.has(shard)).map((shard) => ({ shard, why }));
}

function whyNobodyTakes({
  producers,
  drained,
}: Pick<Coordination, 'producers' | 'drained'>): string | undefined {
  if (producers.length === 0) return 'no producer runs';
  const taking = producers.filter(({ id }) => !drained.includes(id));
  if (taking.length === 0)
    return 'every producer is drained. Let one take shards again: keymill producers undrain ID';
  if (taking.some(({ capacity, owned }) => owned.length < capacity)) return undefined;
  return (
    'every producer that is not drained holds as many shards as it may. ' +
    'Start another one, or raise KEYMILL_PRODUCER_CAPACITY'
  );
}

/** As the holders of the shards say it, sorted by name. */
export function blockerEntries({ producers }: Pick<Coordination, 'producers'>): BlockerEntry[] {
  const said = new Map(producers.flatMap(({ recyclingBlocked }) => Object.entries(recyclingBlocked)));
  return [...said].map(([by, why]) => ({ by, why })).sort((a, b) => naturally(a.by, b.by));
}
