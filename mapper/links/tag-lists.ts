import type { TagCount, TagPiece } from '../../db/own-links/tags.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import { requireAllSlots } from './merge-lists.ts';
import type { OwnLinksServer } from './own-links-server.ts';

/**
 * Adds up the tags of all servers. Pure. Each server was asked for the first `limit + 1` tags, so the first
 * `limit` of all are among the answers, and so are all servers' counts of each of them.
 */
export function mergeTags(
  pieces: readonly Pick<TagPiece, 'tags'>[],
  limit: number,
): { items: readonly TagCount[]; next: string | undefined } {
  const links = new Map<string, number>();
  for (const { tags } of pieces)
    for (const { tag, links: count } of tags) links.set(tag, (links.get(tag) ?? 0) + count);
  const all = Array.from(links, ([tag, count]) => ({ tag, links: count })).sort((a, b) =>
    Buffer.compare(Buffer.from(a.tag), Buffer.from(b.tag)),
  );
  const items = all.slice(0, limit);
  return { items, next: all.length > limit ? items.at(-1)?.tag : undefined };
}

/** @throws StoreUnavailableError when a server does not answer, or a slot is covered by none or by two */
export async function readTagPage(
  servers: readonly OwnLinksServer[],
  { userId, after, limit }: { userId: bigint; after: string | undefined; limit: number },
): Promise<{ items: readonly TagCount[]; next: string | undefined }> {
  const pieces = await Promise.all(
    servers.map(async ({ db, isUp }) => {
      if (!isUp()) throw new StoreUnavailableError(db.name, 'it is down');
      return { server: db.name, ...(await db.countTags({ userId, after, count: limit + 1 })) };
    }),
  );
  requireAllSlots(pieces);
  return mergeTags(pieces, limit);
}
