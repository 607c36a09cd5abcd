import { messageOf } from '../../runtime/errors.ts';
import { AT_ONCE, type Pace } from '../../runtime/pace.ts';
import type { KeysDb } from '../keys-db/keys-db.ts';
import type { IdRange, Keyspace } from '../keyspace/key.ts';
import { placementOf } from '../keyspace/placement.ts';
import type { Pool } from '../redis/pool.ts';
import { HeldRanges } from './held-ranges.ts';
import type { AuditSources } from './sources.ts';

/** The places before the urls databases, in the direction in which keys flow. */
export const WAY_PLACES = ['pending', 'pooled', 'reserved'] as const;
export type WayPlace = (typeof WAY_PLACES)[number];

export interface Sighting {
  /** The furthest place the key was seen in. */
  place: WayPlace;
  /** The store or mapper of the last sighting. */
  spot: string;
  /** Seen in two spots. */
  isRepeated: boolean;
}

/** Reading a page takes some milliseconds, in the store and in this process. */
const KEYS_PER_PAGE = 2_000;

/**
 * The keys seen on their way, by region and id. Memory grows with the keys on their way, not with all issued
 * keys.
 */
export class Sightings {
  /** Stores and mappers that did not answer. Their keys were not seen. */
  readonly unreachable: string[] = [];
  /** Why, by name, where it is known. */
  readonly reasons = new Map<string, string>();
  readonly #keyspace: Keyspace;
  readonly #byRegion: ReadonlyMap<number, Map<number, Sighting>>;
  /** Mappers hold whole batches of the counter: too many keys to remember each. */
  readonly #ranges = new Map<number, HeldRanges>();

  /** @param regions keys of other regions are ignored */
  constructor(keyspace: Keyspace, regions: Iterable<number>) {
    this.#keyspace = keyspace;
    this.#byRegion = new Map(Array.from(regions, (region) => [region, new Map<number, Sighting>()]));
  }

  find(region: number, id: number): Sighting | undefined {
    const seen = this.#byRegion.get(region)?.get(id);
    const held = this.#ranges.get(region)?.find(id);
    if (held === undefined) return seen;
    return { place: 'reserved', spot: held.spot, isRepeated: seen !== undefined || held.isRepeated };
  }

  /** A mapper holds the keys of all these ids. */
  seeRanges(mapper: string, ranges: readonly IdRange[]): void {
    for (const { region, first, last } of ranges) {
      if (!this.#byRegion.has(region)) continue;
      const held = this.#ranges.get(region) ?? new HeldRanges();
      held.add({ spot: mapper, first, last });
      this.#ranges.set(region, held);
    }
  }

  see(place: WayPlace, spot: string, keys: readonly string[]): void {
    for (const located of this.#keyspace.locateAll(keys)) {
      const seen = located && this.#byRegion.get(located.region);
      if (!seen) continue;
      const earlier = seen.get(located.id);
      if (!earlier) {
        seen.set(located.id, { place, spot, isRepeated: false });
      } else if (earlier.spot !== spot) {
        // Places are read in order, so this place is not before the earlier one. A second sighting in the
        // same spot is not a repetition: a delivery moved the page.
        seen.set(located.id, { place, spot, isRepeated: true });
      }
    }
  }
}

/**
 * Looks at all keys on their way, in the direction in which they flow, so that a key that moves meanwhile is
 * seen at least once. A key that a mapper puts back moves against the flow and can be missed: search missing
 * keys again.
 */
export async function lookAround(
  sources: Pick<AuditSources, 'keyspace' | 'keysDbs' | 'pools' | 'reserves' | 'counter'>,
  signal?: AbortSignal,
  pace: Pace = AT_ONCE,
): Promise<Sightings> {
  const { keyspace, keysDbs, pools, counter } = sources;
  const regions = keysDbs.map(({ region }) => region);
  const sightings = new Sightings(keyspace, counter === undefined ? regions : [...regions, counter.region]);
  const attempt = async (name: string, look: () => Promise<void>): Promise<void> => {
    signal?.throwIfAborted();
    try {
      await look();
    } catch (error) {
      sightings.unreachable.push(name);
      sightings.reasons.set(name, messageOf(error));
    }
  };
  await Promise.all(keysDbs.map((db) => attempt(db.name, () => lookAtPending(db, sightings, pace))));
  await Promise.all(pools.map((pool) => attempt(pool.name, () => lookAtPool(pool, sightings, pace, signal))));
  await attempt('mappers', async () => {
    for (const { mapper, keys, ranges = [], reason } of await sources.reserves()) {
      sightings.seeRanges(mapper, ranges);
      if (keys) sightings.see('reserved', mapper, keys);
      else sightings.unreachable.push(mapper);
      if (reason !== undefined) sightings.reasons.set(mapper, reason);
    }
  });
  signal?.throwIfAborted();
  return sightings;
}

async function lookAtPending(db: KeysDb, sightings: Sightings, pace: Pace): Promise<void> {
  for (const batch of await db.pendingBatches()) {
    const keys = await pace.piece(async () => db.keysOf(batch));
    const waiting = keys.filter(
      ({ key }) => batch.parts[placementOf(key, batch.parts.length)]?.isDelivered !== true,
    );
    sightings.see(
      'pending',
      db.name,
      waiting.map(({ key }) => key),
    );
  }
}

/**
 * Pages are counted from the tail, because takes shift the positions counted from the head: pages from the
 * head missed 180 keys of 19,780 (measured).
 */
async function lookAtPool(pool: Pool, sightings: Sightings, pace: Pace, signal?: AbortSignal): Promise<void> {
  for (let fromTail = 0; ; fromTail += KEYS_PER_PAGE) {
    signal?.throwIfAborted();
    const seen = await pace.piece(async () => {
      const keys = await pool.page(fromTail, KEYS_PER_PAGE);
      sightings.see('pooled', pool.name, keys);
      return keys.length;
    });
    if (seen < KEYS_PER_PAGE) return;
  }
}
