import type { Alarm } from './seen.ts';

/* The sentences about alarms: `keymill status` and the dashboard say the same. Pure. */

/** Free shards that no producer will take. */
export function unheldAlarms(entries: readonly { readonly shard: string; readonly why: string }[]): Alarm[] {
  return ofShards(entries, ({ why }) => `no producer holds it: ${why}`);
}

/** Shards that producers do not contend for, even when they are free. */
export function refusedAlarms(
  entries: readonly { readonly shard: string; readonly why: string; readonly producers: readonly string[] }[],
): Alarm[] {
  return ofShards(entries, ({ why, producers }) => `refused by ${producers.join(' ')}: ${why}`);
}

/** A pool that answers and is not used. */
export function poolAlarms(
  entries: readonly { readonly name: string; readonly problem: string | null }[],
): Alarm[] {
  return entries.flatMap(({ name, problem }) =>
    problem === null ? [] : [{ parts: [name], sentence: `not used: ${problem}` }],
  );
}

/** What stops the recycling of leaked keys. */
export function blockerAlarms(entries: readonly { readonly by: string; readonly why: string }[]): Alarm[] {
  return entries.map(({ by, why }) => ({ parts: [by], sentence: `no leaked key is recycled: ${why}` }));
}

/** Urls servers that have gone back to an earlier state. */
export function goneBackAlarms(
  entries: readonly {
    readonly name: string;
    readonly goneBack: { readonly at: string; readonly reason: string } | null;
  }[],
): Alarm[] {
  return entries.flatMap(({ name, goneBack }) =>
    goneBack === null
      ? []
      : [{ parts: [name], sentence: `has gone back, noticed ${goneBack.at}: ${goneBack.reason}` }],
  );
}

/** Shards with one and the same sentence stand together. */
function ofShards<T extends { readonly shard: string }>(
  entries: readonly T[],
  sentenceOf: (entry: T) => string,
): Alarm[] {
  return [...Map.groupBy(entries, sentenceOf)].map(([sentence, shards]) => ({
    parts: shards.map(({ shard }) => shard),
    sentence,
  }));
}
