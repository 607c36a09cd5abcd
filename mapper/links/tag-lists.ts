import type { OwnLinksDb } from '../../db/own-links/own-links-db.ts';
import type { TagCount, TagPiece } from '../../db/own-links/tags.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import { requireAllSlots } from './merge-lists.ts';
import type { OwnLinksServer } from './own-links-server.ts';

/** Links whose tag is renamed in one transaction: some 10 ms of work for the server. */
const LINKS_AT_ONCE = 100;
/** When a rename returns although links are left. */
const RENAME_MS = 2_000;

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

export interface RenameRequest {
  readonly userId: bigint;
  readonly from: string;
  readonly to: string;
  /** 32 hex digits, new for each call. */
  readonly nextId: () => string;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** Renames a tag on all servers, one after another in small transactions, for a bounded time. */
export async function renameTagEverywhere(
  servers: readonly OwnLinksServer[],
  { userId, from, to, nextId, now }: RenameRequest,
): Promise<{ links: number; isDone: boolean }> {
  const untilMs = now() + RENAME_MS;
  const rename = async (db: OwnLinksDb): Promise<{ links: number; isDone: boolean }> => {
    let links = 0;
    while (now() < untilMs) {
      const found = await db.renameTag({ userId, from, to, changeId: nextId() }, LINKS_AT_ONCE);
      if (found === 0) return { links, isDone: true };
      links += found;
    }
    return { links, isDone: false };
  };
  const all = await Promise.all(servers.map(async ({ db }) => rename(db)));
  return {
    links: all.reduce((sum, { links }) => sum + links, 0),
    isDone: all.every(({ isDone }) => isDone),
  };
}
