import type { ListPiece, ListQuestion } from '../../db/own-links/list-links.ts';
import type { ListPosition, OwnLink } from '../../db/own-links/own-link.ts';
import type { OwnLinksDb } from '../../db/own-links/own-links-db.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import { mergeLists, requireAllSlots, type MergedList, type ServerList } from './merge-lists.ts';
import type { OwnLinksServer } from './own-links-server.ts';

export interface PageRequest {
  readonly question: ListQuestion;
  /** The place before the first link of the page. */
  readonly after: ListPosition | undefined;
  readonly limit: number;
}

/** When a page ends with the links that it has, because few links match. */
const LOOK_MS = 200;
const PIECE_TIMEOUT_MS = 1_000;
/** Places in one statement, some 10 ms of work for the server. */
const MAX_PLACES = 2_000;
const GROWTH = 4;

/**
 * Reads one page of an owner's list from all servers at the same time.
 * @param now monotonic milliseconds
 * @throws StoreUnavailableError naming the server that does not answer, or the slot that is covered by none
 *   or by two. A page is complete or it is an error.
 */
export async function readPage(
  servers: readonly OwnLinksServer[],
  request: PageRequest,
  now: () => number,
): Promise<MergedList> {
  const lists = await Promise.all(servers.map(async (server) => look(server, request, now)));
  requireAllSlots(lists);
  const { links, next } = mergeLists(lists, request.limit);
  return { links: await addTags(servers, links), next };
}

/** Looks on one server for as many links as a page has, and one more. */
async function look(
  { db, isUp }: OwnLinksServer,
  { question, after, limit }: PageRequest,
  now: () => number,
): Promise<ServerList> {
  if (!isUp()) throw new StoreUnavailableError(db.name, 'it is down');
  const untilMs = now() + LOOK_MS;
  const links: OwnLink[] = [];
  let count = limit + 1;
  let piece: ListPiece | undefined;
  do {
    const before = piece;
    piece = await db.list(question, {
      after: before?.lookedTo ?? after,
      count,
      timeoutMs: PIECE_TIMEOUT_MS,
    });
    if (before !== undefined && before.slots.join() !== piece.slots.join())
      throw new StoreUnavailableError(db.name, 'its slots changed while a list was read');
    links.push(...piece.links);
    count = Math.min(MAX_PLACES, count * GROWTH);
  } while (piece.lookedTo !== undefined && links.length <= limit && now() < untilMs);
  return { server: db.name, slots: piece.slots, links, lookedTo: piece.lookedTo };
}

/** The same links, with their tags. @throws StoreUnavailableError */
export async function addTags(
  servers: readonly OwnLinksServer[],
  links: readonly OwnLink[],
): Promise<OwnLink[]> {
  const tags = await readOfEach(servers, links, async (db, own) => db.tagsOf(own));
  return links.map((link) => ({ ...link, tags: tags.get(link.key) ?? [] }));
}

/** Reads something of each link, from all their servers at the same time. */
export async function readOfEach<T>(
  servers: readonly OwnLinksServer[],
  links: readonly OwnLink[],
  read: (db: OwnLinksDb, links: readonly OwnLink[]) => Promise<ReadonlyMap<string, T>>,
): Promise<ReadonlyMap<string, T>> {
  const byServer = Map.groupBy(links, ({ slot }) => serverOf(servers, slot));
  const found = await Promise.all(Array.from(byServer, async ([{ db }, own]) => read(db, own)));
  return new Map(found.flatMap((some) => [...some]));
}

/** @throws RangeError when no server has the slot; the configuration refuses such a map before */
export function serverOf(servers: readonly OwnLinksServer[], slot: number): OwnLinksServer {
  const server = servers.find(({ db }) => db.slots.includes(slot));
  if (server === undefined) throw new RangeError(`no urls server has slot ${slot}`);
  return server;
}
