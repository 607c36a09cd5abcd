import type { WriteOff } from '../keys-db/write-offs.ts';

/** A urls server in the output of `status`. Times are ISO 8601 UTC. */
export interface UrlsDbEntry {
  readonly name: string;
  /** Null unless the server has gone back to an earlier state and no operator has spoken about it since. */
  readonly goneBack: {
    /** When a holder noticed. */
    readonly at: string;
    /** When a holder last saw it in its earlier state: links made later may be lost. */
    readonly goodAt: string | null;
    readonly reason: string;
  } | null;
}

/** @param alarms what each keys-db says about servers that have gone back */
export function urlsDbEntries(
  names: readonly string[],
  alarms: readonly ReadonlyMap<string, WriteOff>[],
): UrlsDbEntry[] {
  return names.map((name) => ({
    name,
    goneBack: goneBackOf(alarms.flatMap((ofOne) => ofOne.get(name) ?? [])),
  }));
}

/** The first notice, with the earliest time up to which the server was good. */
function goneBackOf(alarms: readonly WriteOff[]): UrlsDbEntry['goneBack'] {
  const [first] = alarms.toSorted((a, b) => Number(a.recordedAt) - Number(b.recordedAt));
  if (first === undefined) return null;
  const [goodAt] = alarms.flatMap((alarm) => alarm.goodAt ?? []).toSorted((a, b) => Number(a) - Number(b));
  const { recordedAt, reason } = first;
  return { at: recordedAt.toISOString(), goodAt: goodAt?.toISOString() ?? null, reason };
}
