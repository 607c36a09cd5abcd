import { repeatAfterDeadlock } from '../mysql/deadlock.ts';
import { openMysql, type Mysql } from '../mysql/mysql.ts';
import type { WantsEvents } from '../outbox/link-events.ts';
import { changeLink } from './change-link.ts';
import { readLinksTo, type MadeLink } from './find-alike.ts';
import { deleteOwned, listPlaces, releaseOwned, type Leaving, type LeavingLink } from './leave-owner.ts';
import { readListPiece, type ListPiece, type ListQuestion } from './list-links.ts';
import type { LinkChange, ListPosition, OwnLink } from './own-link.ts';
import { toCreatedEvents, toOwnedInserts, toProof, type OwnedRow } from './owned-insert.ts';
import { OwnedWriter } from './owned-writer.ts';
import { purgeLink } from './purge-link.ts';
import { listPrunable, pruneLinks, type DeletedLink } from './prune.ts';
import { findOwnLink, readClicks, readTags, type ClickSums } from './read-links.ts';
import { scanLinks, type ScanPiece, type ScanPosition, type ScanQuestion } from './scan-links.ts';
import { countTags, renameTag, type TagPiece, type TagRename } from './tags.ts';

/**
 * The links of one urls database as their owners see them. Every statement goes to the primary. Each change
 * of a link whose owner wants events writes one, in the same transaction.
 *
 * Reads throw StoreUnavailableError and may be repeated.
 */
export interface OwnLinksDb {
  readonly name: string;
  readonly slots: readonly number[];
  /**
   * Binds all rows or none, with their places in lists and their tags. Throws like the insert of a urls
   * database, and may be repeated like that.
   */
  insert(rows: readonly OwnedRow[], options?: { timeoutMs?: number }): Promise<void>;
  /** {@link insert} on a connection of its own: single links do not wait for it. */
  insertMany(rows: readonly OwnedRow[], options?: { timeoutMs?: number }): Promise<void>;
  /** Like the proof of a urls database, for all tables that {@link insert} writes. */
  proveWriting(timeoutMs: number): Promise<void>;
  /** See {@link findOwnLink}. @param ownerId undefined: whoever its owner is */
  find(key: string, ownerId?: bigint): Promise<OwnLink | undefined>;
  /** See {@link readLinksTo}. */
  linksTo(question: { userId: bigint; longUrl: string; count: number }): Promise<MadeLink[]>;
  /** See {@link changeLink}. */
  change(change: { link: OwnLink; change: LinkChange; changeId: string }): Promise<boolean>;
  /** See {@link purgeLink}. */
  purge(purge: { link: OwnLink; changeId: string }): Promise<boolean>;
  /** See {@link readListPiece}. */
  list(
    question: ListQuestion,
    range: { after: ListPosition | undefined; count: number; timeoutMs: number },
  ): Promise<ListPiece>;
  /** See {@link scanLinks}. */
  scan(
    question: ScanQuestion,
    range: { after: ScanPosition; count: number; limit: number; timeoutMs: number },
  ): Promise<ScanPiece>;
  /** The tags of links, by key. */
  tagsOf(links: readonly OwnLink[]): Promise<ReadonlyMap<string, string[]>>;
  /** See {@link readClicks}. */
  clicksOf(links: readonly OwnLink[]): Promise<ReadonlyMap<string, ClickSums>>;
  /** See {@link countTags}. */
  countTags(range: { userId: bigint; after: string | undefined; count: number }): Promise<TagPiece>;
  /** See {@link renameTag}. */
  renameTag(rename: TagRename, count: number): Promise<number>;
  /** See {@link listPlaces}. */
  placesOf(userId: bigint, count: number): Promise<LeavingLink[]>;
  /** See {@link deleteOwned}. */
  deleteOwned(leaving: Leaving): Promise<void>;
  /** See {@link releaseOwned}. */
  releaseOwned(leaving: Leaving & { readonly isDeleting: boolean }): Promise<void>;
  /** See {@link listPrunable}. */
  listPrunable(after: DeletedLink | undefined, count: number): Promise<DeletedLink[]>;
  /** See {@link pruneLinks}. */
  prune(links: readonly DeletedLink[]): Promise<void>;
  close(): Promise<void>;
}

export interface OwnLinksDbOptions {
  readonly name: string;
  readonly url: string;
  readonly slots: readonly number[];
  /** Default: nobody's, so no event is written. */
  readonly wantsEvents?: WantsEvents;
  /** Deadline of a statement, in ms. Default 2,000. */
  readonly timeoutMs?: number;
}

/** As for anonymous links: the server must answer that it wrote nothing before the deadline of a write. */
const LOCK_WAIT_S = 1;

/** The request goes on after that look. */
const ALIKE_TIMEOUT_MS = 1_000;

/**
 * Connections of one process. INSERTs, single links, and work that reads or changes many of them have some of
 * their own, so that slow lists hold up neither changes nor new links.
 *
 * - inserts: as many as a mapper has INSERTs in flight, and the proof that the server takes them. An
 *   {@link OwnedWriter} has one more, for its prepared statements.
 * - bulk: as many as a mapper has INSERTs of many links in flight.
 * - single: reads and changes of one link, a millisecond or two each.
 * - many: lists, tags, clicks and jobs. More of them would take more of the server's cores from redirects and
 *   shortens, and make no list faster.
 */
const CONNECTIONS = { inserts: 5, bulk: 2, single: 4, many: 2 };

/** Connects when first used, on its own connections: no redirect or anonymous shorten waits for it. */
export function openOwnLinksDb(options: OwnLinksDbOptions): OwnLinksDb {
  return new MysqlOwnLinksDb(options);
}

class MysqlOwnLinksDb implements OwnLinksDb {
  readonly name: string;
  readonly slots: readonly number[];
  readonly #inserts: Mysql;
  readonly #writer: OwnedWriter;
  readonly #bulk: Mysql;
  readonly #single: Mysql;
  readonly #many: Mysql;
  readonly #wantsEvents: WantsEvents;
  readonly #timeoutMs: number;

  constructor({ name, url, slots, wantsEvents = () => false, timeoutMs = 2_000 }: OwnLinksDbOptions) {
    this.name = name;
    this.slots = slots;
    this.#wantsEvents = wantsEvents;
    this.#timeoutMs = timeoutMs;
    const settings = { name, connectTimeoutMs: timeoutMs, lockWaitS: LOCK_WAIT_S };
    const open = (connections: number): Mysql =>
      openMysql(url, { ...settings, connections, canTransact: true });
    this.#inserts = open(CONNECTIONS.inserts);
    this.#writer = new OwnedWriter({ url, options: settings, texts: this.#inserts, wantsEvents });
    this.#bulk = open(CONNECTIONS.bulk);
    this.#single = open(CONNECTIONS.single);
    this.#many = open(CONNECTIONS.many);
  }

  async insert(rows: readonly OwnedRow[], { timeoutMs = this.#timeoutMs } = {}): Promise<void> {
    if (rows.length === 0) return;
    this.#verifySlots(rows);
    await repeatAfterDeadlock(async () => this.#writer.write(rows, timeoutMs));
  }

  async insertMany(rows: readonly OwnedRow[], { timeoutMs = this.#timeoutMs } = {}): Promise<void> {
    if (rows.length === 0) return;
    this.#verifySlots(rows);
    const statements = [...toOwnedInserts(rows), ...toCreatedEvents(rows, this.#wantsEvents)];
    await repeatAfterDeadlock(async () => this.#bulk.transact(statements, [], { timeoutMs }));
  }

  get #settings(): { wantsEvents: WantsEvents; timeoutMs: number } {
    return { wantsEvents: this.#wantsEvents, timeoutMs: this.#timeoutMs };
  }

  /** @throws RangeError when the server does not have the slot of a row */
  #verifySlots(rows: readonly OwnedRow[]): void {
    for (const { key, slot } of rows) {
      if (!this.slots.includes(slot))
        throw new RangeError(`${this.name} does not own slot ${slot} of key ${key}`);
    }
  }

  async proveWriting(timeoutMs: number): Promise<void> {
    await this.#inserts.transact(toProof(this.slots[0] ?? 0), [], { timeoutMs });
  }

  async find(key: string, ownerId?: bigint): Promise<OwnLink | undefined> {
    return findOwnLink(this.#single, { key, ownerId }, this.#timeoutMs);
  }

  async linksTo(question: { userId: bigint; longUrl: string; count: number }): Promise<MadeLink[]> {
    return readLinksTo(this.#single, question, ALIKE_TIMEOUT_MS);
  }

  async change(change: { link: OwnLink; change: LinkChange; changeId: string }): Promise<boolean> {
    return repeatAfterDeadlock(async () => changeLink(this.#single, change, this.#settings));
  }

  async purge(purge: { link: OwnLink; changeId: string }): Promise<boolean> {
    return repeatAfterDeadlock(async () => purgeLink(this.#single, purge, this.#settings));
  }

  async list(
    question: ListQuestion,
    range: { after: ListPosition | undefined; count: number; timeoutMs: number },
  ): Promise<ListPiece> {
    return readListPiece(this.#many, question, range);
  }

  async scan(
    question: ScanQuestion,
    range: { after: ScanPosition; count: number; limit: number; timeoutMs: number },
  ): Promise<ScanPiece> {
    return scanLinks(this.#many, question, range);
  }

  async tagsOf(links: readonly OwnLink[]): Promise<ReadonlyMap<string, string[]>> {
    return readTags(this.#many, links, this.#timeoutMs);
  }

  async clicksOf(links: readonly OwnLink[]): Promise<ReadonlyMap<string, ClickSums>> {
    // The answer to a change has the clicks of its link, and must not wait for lists.
    return readClicks(links.length === 1 ? this.#single : this.#many, links, this.#timeoutMs);
  }

  async countTags(range: { userId: bigint; after: string | undefined; count: number }): Promise<TagPiece> {
    return countTags(this.#many, range, this.#timeoutMs);
  }

  async renameTag(rename: TagRename, count: number): Promise<number> {
    return repeatAfterDeadlock(async () => renameTag(this.#many, rename, { count, ...this.#settings }));
  }

  async placesOf(userId: bigint, count: number): Promise<LeavingLink[]> {
    return listPlaces(this.#many, userId, { count, timeoutMs: this.#timeoutMs });
  }

  async deleteOwned(leaving: Leaving): Promise<void> {
    await repeatAfterDeadlock(async () => deleteOwned(this.#many, leaving, this.#settings));
  }

  async releaseOwned(leaving: Leaving & { readonly isDeleting: boolean }): Promise<void> {
    await repeatAfterDeadlock(async () => releaseOwned(this.#many, leaving, this.#timeoutMs));
  }

  async listPrunable(after: DeletedLink | undefined, count: number): Promise<DeletedLink[]> {
    return listPrunable(this.#many, after, { count, timeoutMs: this.#timeoutMs });
  }

  async prune(links: readonly DeletedLink[]): Promise<void> {
    await repeatAfterDeadlock(async () => pruneLinks(this.#many, links, this.#timeoutMs));
  }

  async close(): Promise<void> {
    const connections = [this.#inserts, this.#writer, this.#bulk, this.#single, this.#many];
    await Promise.all(connections.map(async (some) => some.close()));
  }
}
