import { createLinks } from '../urls/links-by-slot.ts';
import type { UrlsDb } from '../urls/links.ts';

/** Which keys are bound, read from the servers that own their slots. Never rejects. */
export async function findBound(
  urlsDbs: readonly UrlsDb[],
  keys: readonly string[],
): Promise<{ bound: Set<string>; unreachable: string[] }> {
  const links = createLinks(urlsDbs);
  const byDb = Map.groupBy(keys, (key) => links.dbFor(key));
  const bound = new Set<string>();
  const unreachable: string[] = [];
  await Promise.all(
    [...byDb].map(async ([db, own]) => {
      try {
        for (const key of await db.existing(own)) bound.add(key);
      } catch {
        unreachable.push(db.name);
      }
    }),
  );
  return { bound, unreachable };
}
