import { slotOf } from '../../../db/keyspace/placement.ts';
import { openOwnLinksDb } from '../../../db/own-links/own-links-db.ts';
import type { OwnedRow } from '../../../db/own-links/owned-insert.ts';
import type { Caller } from '../../../mapper/links/access.ts';
import { newOwner, ownedRow } from '../own-links-fixture.ts';
import type { World } from '../world.ts';

/** Stores links of one owner, as they are after `POST /urls`. @returns their keys */
export async function makeLinks(
  { urls }: World,
  links: readonly Partial<OwnedRow>[],
  owner: Caller = newOwner(),
): Promise<readonly string[]> {
  const rows = links.map((fields) => ownedRow(owner, fields));
  for (const { name, url, slots } of urls) {
    const own = rows.filter(({ key }) => slots.includes(slotOf(key)));
    const db = openOwnLinksDb({ name, url, slots });
    if (own.length > 0) await db.insert(own);
    await db.close();
  }
  return rows.map(({ key }) => key);
}

/** Stores one link. @returns its key */
export async function makeLink(world: World, fields: Partial<OwnedRow>): Promise<string> {
  const [key = ''] = await makeLinks(world, [fields]);
  return key;
}
