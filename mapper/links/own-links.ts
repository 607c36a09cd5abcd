import type { LeavingLink } from '../../db/own-links/leave-owner.ts';
import type { ListQuestion } from '../../db/own-links/list-links.ts';
import type { MadeLink } from '../../db/own-links/find-alike.ts';
import type { OwnLink } from '../../db/own-links/own-link.ts';
import type { OwnLinksDb } from '../../db/own-links/own-links-db.ts';
import type { ClickSums } from '../../db/own-links/read-links.ts';
import type { ScanQuestion } from '../../db/own-links/scan-links.ts';
import type { TagCount } from '../../db/own-links/tags.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import { RandomIds } from '../../runtime/random-ids.ts';
import type { AnnounceChange, AnnounceChanges } from '../cache/announce-change.ts';
import { changeEach, type EachResult } from './change-each.ts';
import { mayAccess, ownerAskedFor, type Caller, type IdentifyCaller } from './access.ts';
import { changeOne, type Changed, type Decision } from './change-one.ts';
import { changeMany, type ManyChanged } from './change-many.ts';
import { Cursors, textOf, textOfScan } from './cursors.ts';
import { matching, patched, removed, restored, type Decide, type Refusal } from './decide-change.ts';
import { findAlike, type AskedLink } from './find-alike.ts';
import { findImage, type AskedImage } from './find-image.ts';
import type { LinkPatch } from './judge-change.ts';
import { createDigs, readOfEach, readPage, serverOf } from './list-links.ts';
import type { OwnLinksServer } from './own-links-server.ts';
import { purgeLink, type PurgedLink } from './purge-link.ts';
import { scanPage } from './scan-page.ts';
import { readTagPage } from './tag-lists.ts';
import { takeTurn, Turns } from './turns.ts';
import { WatchedChanges } from './watched-changes.ts';

/** Whether all mappers have heard of a change. */
export type Announced = Awaited<ReturnType<AnnounceChange>>;

export type ChangeResult =
  | { readonly link: OwnLink; readonly announced: Announced | undefined }
  | { readonly refusal: Refusal; readonly announced?: Announced | undefined };

/** A page, or `invalid`: the cursor is made up, or belongs to another owner or question. */
export type Page<Item> =
  { readonly items: readonly Item[]; readonly nextCursor: string | null } | { readonly invalid: 'cursor' };

export interface OwnLinksOptions {
  readonly servers: readonly OwnLinksServer[];
  readonly announce: AnnounceChange;
  readonly announceAll: AnnounceChanges;
  /** Shared by all mappers of a cluster. */
  readonly secret: string;
  /** Called when all mappers have heard of a change of a link. @param link as it is now */
  readonly onChanged?: ((link: OwnLink) => void) | undefined;
  /** Which slot a key belongs to. */
  readonly slotOf: (key: string) => number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/**
 * The changes of one server that are under way or wait in this process. One takes some milliseconds. When a
 * server hangs, each one takes seconds, and the changes of other servers go on.
 */
const TURNS = { maxWaiting: 1_000, maxOfKey: 250, waitMs: 4_000 };

/**
 * The rules of one's own links: read, change, delete, restore, list, tags. Fields are checked by the caller.
 *
 * Methods throw StoreUnavailableError when a server does not answer (nothing has changed), and
 * OutcomeUnknownError when it is not known whether a link has changed.
 */
export class OwnLinks {
  readonly #options: OwnLinksOptions;
  readonly #ids = RandomIds.hex();
  /** By the name of the server. */
  readonly #turns: ReadonlyMap<string, Turns>;
  readonly #digs = createDigs();
  readonly #cursors: Cursors;

  constructor(options: OwnLinksOptions) {
    this.#options = options;
    this.#cursors = new Cursors(options.secret);
    this.#turns = new Map(options.servers.map(({ db }) => [db.name, new Turns(TURNS)]));
  }

  /**
   * Undefined: there is no such link, or it is another's. Deleted ones are found while they can be restored.
   */
  async find(caller: Caller, key: string): Promise<OwnLink | undefined> {
    const { db, isUp } = this.#serverOf(key);
    if (!isUp()) throw new StoreUnavailableError(db.name, 'it is down');
    const link = await db.find(key, ownerAskedFor(caller));
    return link !== undefined && mayAccess(caller, link) ? link : undefined;
  }

  /** See {@link findAlike}. */
  async findAlike(asked: AskedLink): Promise<MadeLink | undefined> {
    return findAlike(this.#options.servers, asked);
  }

  /** See {@link findImage}. */
  async findImage(asked: AskedImage): Promise<MadeLink | undefined> {
    return findImage(this.#options.servers, asked);
  }

  /** Applies a merge patch. @param ifMatch the header */
  async change(caller: Caller, key: string, patch: LinkPatch, ifMatch?: string): Promise<ChangeResult> {
    return this.#changeIf(caller, key, this.#options.announce, matching(ifMatch, patched(patch, caller)));
  }

  /** Deletes a link. One that is deleted already is `unchanged`. */
  async remove(caller: Caller, key: string, ifMatch?: string): Promise<ChangeResult> {
    return this.#changeIf(caller, key, this.#options.announce, matching(ifMatch, removed));
  }

  /** Restores a deleted link. One that is not deleted is `unchanged`. */
  async restore(caller: Caller, key: string, ifMatch?: string): Promise<ChangeResult> {
    return this.#changeIf(caller, key, this.#options.announce, matching(ifMatch, restored));
  }

  /**
   * Deletes a link for good: it cannot be restored.
   * @param mayPurge whether the caller may, asked with the link as it is now
   * @returns the link as it was; undefined: there is none, or he may not
   */
  async purge(key: string, mayPurge: (link: OwnLink) => boolean): Promise<PurgedLink | undefined> {
    const server = this.#serverOf(key);
    const turns = this.#turns.get(server.db.name) as Turns;
    const { announce, now } = this.#options;
    return purgeLink(server, { key, mayPurge, changeId: this.#ids.next(), turns, announce, now });
  }

  /** {@link change} for many links, each by itself. All mappers hear of them in groups. Never rejects. */
  async changeAll(
    identify: IdentifyCaller,
    keys: readonly string[],
    patch: LinkPatch,
  ): Promise<EachResult<ChangeResult>[]> {
    return changeEach(keys, {
      ...this.#options,
      change: async (key, announce) => {
        const caller = await identify();
        return this.#changeIf(caller, key, announce, patched(patch, caller));
      },
    });
  }

  /** {@link remove} for many links, like {@link changeAll}. */
  async removeAll(identify: IdentifyCaller, keys: readonly string[]): Promise<EachResult<ChangeResult>[]> {
    return changeEach(keys, {
      ...this.#options,
      change: async (key, announce) => this.#changeIf(await identify(), key, announce, removed),
    });
  }

  /** Lists links from the newest to the oldest. A page may be short, or empty, and still have a next one. */
  async list(
    question: ListQuestion,
    { cursor, limit }: { cursor: string | undefined; limit: number },
  ): Promise<Page<OwnLink>> {
    const text = textOf(question);
    const after = cursor === undefined ? undefined : this.#cursors.open(text, cursor);
    if (cursor !== undefined && after === undefined) return { invalid: 'cursor' };
    const { servers, now } = this.#options;
    const reader = { now, digs: this.#digs };
    const { links, next } = await readPage(servers, { question, after, limit }, reader);
    return { items: links, nextCursor: next === undefined ? null : this.#cursors.seal(text, next) };
  }

  /**
   * Looks for links of all owners, and of nobody, in the order of their slots and keys. Only for
   * administrators. A page may be short, or empty, and still have a next one.
   */
  async scan(
    question: ScanQuestion,
    { cursor, limit }: { cursor: string | undefined; limit: number },
  ): Promise<Page<OwnLink>> {
    const text = textOfScan(question);
    const place = cursor === undefined ? undefined : this.#cursors.open(text, cursor);
    if (cursor !== undefined && place === undefined) return { invalid: 'cursor' };
    // The number of a place is a time in other lists, and a slot in this one.
    const after = place && { slot: place.createdAt.getTime(), key: place.key };
    const { servers, slotOf, now } = this.#options;
    const { links, next } = await scanPage(servers, { question, after, limit, slotOf }, now);
    if (next === undefined) return { items: links, nextCursor: null };
    const createdAt = new Date(next.slot);
    return { items: links, nextCursor: this.#cursors.seal(text, { createdAt, key: next.key }) };
  }

  /** How often links were followed, by their keys. Links without a click are absent. */
  async clicksOf(links: readonly OwnLink[]): Promise<ReadonlyMap<string, ClickSums>> {
    return readOfEach(this.#options.servers, links, async (db, own) => db.clicksOf(own));
  }

  /** Lists the tags of an owner's links, in their order as text. */
  async tags(
    userId: bigint,
    { after, limit }: { after: string | undefined; limit: number },
  ): Promise<{ items: readonly TagCount[]; next: string | undefined }> {
    return readTagPage(this.#options.servers, { userId, after, limit });
  }

  /** Like {@link tags}, with a cursor like that of {@link list}. */
  async tagPage(
    userId: bigint,
    { cursor, limit }: { cursor?: string | undefined; limit: number },
  ): Promise<Page<TagCount>> {
    const text = JSON.stringify(['tags', `${userId}`]);
    const after = cursor === undefined ? undefined : this.#cursors.open(text, cursor);
    if (cursor !== undefined && after === undefined) return { invalid: 'cursor' };
    const { items, next } = await this.tags(userId, { after: after?.key, limit });
    const createdAt = new Date(0);
    return {
      items,
      nextCursor: next === undefined ? null : this.#cursors.seal(text, { createdAt, key: next }),
    };
  }

  /**
   * Gives all links with the tag `from` the tag `to` instead. If `to` exists, the two become one.
   * It takes a bounded time; repeat it until it is done.
   */
  async renameTag(userId: bigint, from: string, to: string): Promise<ManyChanged> {
    if (from === to) return { links: 0, isDone: true };
    const { servers, now } = this.#options;
    const rename = async (db: OwnLinksDb, count: number): Promise<number> =>
      db.renameTag({ userId, from, to, changeId: this.#ids.next() }, count);
    return changeMany({ servers, now, changeSome: rename });
  }

  /**
   * Takes all links away from an owner whose account ends, and deletes them if `isDeleting`. It takes a
   * bounded time; repeat it until it is done.
   *
   * All mappers hear of a deletion before the link leaves the list of its owner. So a link whose deletion was
   * not announced, because this process died or an answer was lost, is found again.
   * @param onDeleted called when all mappers have heard that a link is, or may be, deleted
   */
  async leaveOwner(
    userId: bigint,
    isDeleting: boolean,
    signal?: AbortSignal,
    onDeleted?: (link: LeavingLink) => void,
  ): Promise<ManyChanged> {
    const { servers, announce, now } = this.#options;
    const leave = async (db: OwnLinksDb, count: number): Promise<number> => {
      const links = await db.placesOf(userId, count);
      if (links.length === 0) return 0;
      const leaving = { userId, links };
      if (isDeleting) {
        try {
          await db.deleteOwned({ ...leaving, changeId: this.#ids.next() });
        } finally {
          await Promise.all(links.map(async ({ key }) => announce(key)));
          if (onDeleted !== undefined) for (const link of links) onDeleted(link);
        }
      }
      await db.releaseOwned({ ...leaving, isDeleting, changeId: this.#ids.next() });
      return links.length;
    };
    return changeMany({ servers, now, changeSome: leave, signal });
  }

  async #changeIf(
    caller: Caller,
    key: string,
    announce: AnnounceChange,
    decide: Decide,
  ): Promise<ChangeResult> {
    const { db, isWritable } = this.#serverOf(key);
    if (!isWritable()) throw new StoreUnavailableError(db.name, 'it takes no changes now');
    // Nobody takes a turn of a link that he may not change.
    const found = await db.find(key, ownerAskedFor(caller));
    if (found === undefined || !mayAccess(caller, found)) return { refusal: { why: 'unknown' } };
    const watched = new WatchedChanges(db);
    let changed: Changed<Refusal>;
    try {
      const turns = this.#turns.get(db.name) as Turns;
      changed = await takeTurn(turns, { server: db.name, key }, async (hasWaited) =>
        this.#changeOne(watched, hasWaited ? { key } : { key, found }, (link) => {
          if (link === undefined || !mayAccess(caller, link)) return { refusal: { why: 'unknown' } };
          return decide(link);
        }),
      );
    } catch (error) {
      if (watched.mayHaveChanged) await announce(key);
      throw error;
    }
    // A link that is as wanted already may have been changed by a process that could not announce it any
    // more.
    const isAsWanted = 'refusal' in changed && changed.refusal.why === 'unchanged';
    const isNews = watched.mayHaveChanged || isAsWanted;
    const announced = isNews ? await announce(key) : undefined;
    if ('refusal' in changed) return { refusal: changed.refusal, announced };
    this.#options.onChanged?.(changed.link);
    return { link: changed.link, announced };
  }

  async #changeOne(
    db: WatchedChanges,
    link: { key: string; found?: OwnLink },
    decide: (link: OwnLink | undefined) => Decision<Refusal>,
  ): Promise<Changed<Refusal>> {
    return changeOne({ ...link, db, changeId: this.#ids.next(), decide, now: this.#options.now });
  }

  #serverOf(key: string): OwnLinksServer {
    return serverOf(this.#options.servers, this.#options.slotOf(key));
  }
}
