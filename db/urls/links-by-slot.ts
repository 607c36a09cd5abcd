import { SLOT_COUNT } from '../../runtime/config/slots.ts';
import { slotOf } from '../keyspace/placement.ts';
import type { UrlsDb } from './links.ts';

/** The urls databases of the map. */
export interface Links {
  readonly dbs: readonly UrlsDb[];
  /** One for each slot. */
  readonly bySlot: readonly UrlsDb[];
  /** The database that owns the slot of `key`. */
  dbFor(key: string): UrlsDb;
}

/** @throws RangeError when a slot has no database, or two. (The configuration refuses such a map before.) */
export function createLinks(dbs: readonly UrlsDb[]): Links {
  const bySlot: (UrlsDb | undefined)[] = Array.from({ length: SLOT_COUNT });
  for (const db of dbs) {
    for (const slot of db.slots) {
      if (bySlot[slot] !== undefined) throw new RangeError(`slot ${slot} is given to two urls databases`);
      bySlot[slot] = db;
    }
  }
  const complete = bySlot.filter((db) => db !== undefined);
  if (complete.length !== SLOT_COUNT || bySlot.length !== SLOT_COUNT) {
    throw new RangeError(`the urls databases do not cover the slots 0-${SLOT_COUNT - 1} exactly`);
  }
  return { dbs, bySlot: complete, dbFor: (key) => complete[slotOf(key)] as UrlsDb };
}
