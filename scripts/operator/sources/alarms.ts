import { naturally } from './ask.ts';
import type { Coordination } from './coordination.ts';

/** A shard that producers do not contend for, even when it is free, in the output of `status`. */
export interface RefusedEntry {
  readonly shard: string;
  readonly why: string;
  readonly producers: readonly string[];
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

/** As the holders of the shards say it, sorted by name. */
export function blockerEntries({ producers }: Pick<Coordination, 'producers'>): BlockerEntry[] {
  const said = new Map(producers.flatMap(({ recyclingBlocked }) => Object.entries(recyclingBlocked)));
  return [...said].map(([by, why]) => ({ by, why })).sort((a, b) => naturally(a.by, b.by));
}
