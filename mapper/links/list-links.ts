import type { ListPiece, ListQuestion } from '../../db/own-links/list-links.ts';
import type { ListPosition, OwnLink } from '../../db/own-links/own-link.ts';
import type { OwnLinksDb } from '../../db/own-links/own-links-db.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import { mergeLists, requireAllSlots, type MergedList, type ServerList } from './merge-lists.ts';
import type { OwnLinksServer } from './own-links-server.ts';
import { NoTurnError, Turns } from './turns.ts';

export interface PageRequest {
  readonly question: ListQuestion;
  /** The place before the first link of the page. */
  readonly after: ListPosition | undefined;
  readonly limit: number;
}

/** What the pages of one process share. */
export interface ListReader {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** The long looks of all lists, by server. */
  readonly digs: Turns;
}

/** When a page ends with the links that it has, because few links match. */
const LOOK_MS = 200;
const PIECE_TIMEOUT_MS = 1_000;
/** Places in one statement, some 10 ms of work for the server. */
const MAX_PLACES = 2_000;
const GROWTH = 4;

/**
 * Turns for long looks: one at a time on each server. So many lists that find little use one of its cores,
 * and shorten and redirect have the others. A page whose turn does not come ends as if its time were over.
 */
export function createDigs(): Turns {
  return new Turns({ maxWaiting: 1_000, maxOfKey: 1_000, waitMs: LOOK_MS });
}

/**
 * Reads one page of an owner's list from all servers at the same time.
 * @throws StoreUnavailableError naming the server that does not answer, or the slot that is covered by none
 *   or by two. A page is complete or it is an error.
 */
export async function readPage(
  servers: readonly OwnLinksServer[],
  request: PageRequest,
  reader: ListReader,
): Promise<MergedList> {
  const lists = await Promise.all(servers.map(async (server) => look(server, request, reader)));
  requireAllSlots(lists);
  const { links, next } = mergeLists(lists, request.limit);
  return { links: await addTags(servers, links), next };
}

/** Looks on one server for as many links as a page has, and one more. */
async function look(
  { db, isUp }: OwnLinksServer,
  { question, after, limit }: PageRequest,
  { now, digs }: ListReader,
): Promise<ServerList> {
  if (!isUp()) throw new StoreUnavailableError(db.name, 'it is down');
  const untilMs = now() + LOOK_MS;
  const links: OwnLink[] = [];
  let count = limit + 1;
  const read = async (from: ListPosition | undefined): Promise<ListPiece> =>
    db.list(question, { after: from, count, timeoutMs: PIECE_TIMEOUT_MS });
  let piece = await read(after);
  links.push(...piece.links);
  while (piece.lookedTo !== undefined && links.length <= limit && now() < untilMs) {
    const { lookedTo, slots } = piece;
    count = Math.min(MAX_PLACES, count * GROWTH);
    const next = await tryDig(digs, db.name, async () => read(lookedTo));
    if (next === undefined) break;
    if (slots.join() !== next.slots.join())
      throw new StoreUnavailableError(db.name, 'its slots changed while a list was read');
    piece = next;
    links.push(...piece.links);
  }
  return { server: db.name, slots: piece.slots, links, lookedTo: piece.lookedTo };
}

/** @returns undefined when the turn does not come in time */
async function tryDig<T>(digs: Turns, server: string, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await digs.take(server, read);
  } catch (error) {
    if (error instanceof NoTurnError) return undefined;
    throw error;
  }
}

/** The same links, with their tags. @throws StoreUnavailableError */
export async function addTags<Link extends OwnLink>(
  servers: readonly OwnLinksServer[],
  links: readonly Link[],
): Promise<Link[]> {
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
