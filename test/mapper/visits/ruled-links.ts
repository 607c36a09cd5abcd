import { openOwnLinksDb } from '../../../db/own-links/own-links-db.ts';
import type { OwnedRow } from '../../../db/own-links/owned-insert.ts';
import { newOwner, ownedRow } from '../own-links-fixture.ts';
import type { World } from '../world.ts';

/** Stores a link with rules, without the API. @returns its key */
export async function storeLink(world: Pick<World, 'urls'>, fields: Partial<OwnedRow>): Promise<string> {
  const row = ownedRow(newOwner(), fields);
  const server = world.urls.find(({ slots }) => slots.includes(row.slot));
  if (server === undefined) throw new Error(`no server has slot ${row.slot}`);
  const db = openOwnLinksDb(server);
  try {
    await db.insert([row]);
    await server.sql.query('UPDATE urls SET visits_left = ? WHERE slot = ? AND unique_id = ?', [
      row.rules.maxVisits ?? null,
      row.slot,
      row.key,
    ]);
  } finally {
    await db.close();
  }
  return row.key;
}

/** The last part of the type of a problem document; undefined for any other body. */
export function kindIn(text: string): string | undefined {
  return /"urn:keymill:problem:([a-z-]+)"/.exec(text)?.[1];
}

/** How often each value occurs. */
export function countEach(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}
