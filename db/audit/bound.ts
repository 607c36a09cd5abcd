import { createLinks } from '../urls/links-by-slot.ts';
import type { UrlsDb } from '../urls/links.ts';

/**
 * The names of the urls databases that do not answer, or belong to another keyspace: there, none of our keys
 * is bound, and each would look lost. Never rejects.
 */
export async function findUnusable(urlsDbs: readonly UrlsDb[]): Promise<string[]> {
  const outcomes = await Promise.allSettled(urlsDbs.map(async (db) => db.verifyKeyspace()));
  return urlsDbs.filter((_, index) => outcomes[index]?.status === 'rejected').map(({ name }) => name);
}

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
