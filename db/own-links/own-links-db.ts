import { repeatAfterDeadlock } from '../mysql/deadlock.ts';
import { openMysql, type Mysql } from '../mysql/mysql.ts';
import { changeLink } from './change-link.ts';
import { leaveOwner, type Leaving } from './leave-owner.ts';
import { readListPiece, type ListPiece, type ListQuestion } from './list-links.ts';
import type { LinkChange, ListPosition, OwnLink } from './own-link.ts';
import { toOwnedInserts, type OwnedRow } from './owned-insert.ts';
import { pruneLinks } from './prune.ts';
import { findOwnLink, readClicks, readTags } from './read-links.ts';
import { scanLinks, type ScanPiece, type ScanPosition, type ScanQuestion } from './scan-links.ts';
import { countTags, renameTag, type TagPiece, type TagRename } from './tags.ts';

/**
 * The links of one urls database as their owners see them. Every statement goes to the primary.
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
  /** See {@link findOwnLink}. @param ownerId undefined: whoever its owner is */
  find(key: string, ownerId?: bigint): Promise<OwnLink | undefined>;
  /** See {@link changeLink}. */
  change(change: { link: OwnLink; change: LinkChange; changeId: string }): Promise<boolean>;
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
  clicksOf(links: readonly OwnLink[]): Promise<ReadonlyMap<string, number>>;
  /** See {@link countTags}. */
  countTags(range: { userId: bigint; after: string | undefined; count: number }): Promise<TagPiece>;
  /** See {@link renameTag}. */
  renameTag(rename: TagRename, count: number): Promise<number>;
  /** See {@link leaveOwner}. */
  leaveOwner(leaving: Leaving, count: number): Promise<string[]>;
  /** See {@link pruneLinks}. */
  prune(count: number): Promise<number>;
  close(): Promise<void>;
}

export interface OwnLinksDbOptions {
  readonly name: string;
  readonly url: string;
  readonly slots: readonly number[];
  /** Default 4. */
  readonly connections?: number;
  /** Deadline of a statement, in ms. Default 2,000. */
  readonly timeoutMs?: number;
}

/** As for anonymous links: the server must answer that it wrote nothing before the deadline of a write. */
const LOCK_WAIT_S = 1;

/** Connects when first used, on its own connections: no redirect or anonymous shorten waits for it. */
export function openOwnLinksDb(options: OwnLinksDbOptions): OwnLinksDb {
  return new MysqlOwnLinksDb(options);
}

class MysqlOwnLinksDb implements OwnLinksDb {
  readonly name: string;
  readonly slots: readonly number[];
  readonly #db: Mysql;
  readonly #timeoutMs: number;

  constructor({ name, url, slots, connections = 4, timeoutMs = 2_000 }: OwnLinksDbOptions) {
    this.name = name;
    this.slots = slots;
    this.#timeoutMs = timeoutMs;
    this.#db = openMysql(url, {
      name,
      connections,
      connectTimeoutMs: timeoutMs,
      lockWaitS: LOCK_WAIT_S,
      canTransact: true,
    });
  }

  async insert(
    rows: readonly OwnedRow[],
    { timeoutMs = this.#timeoutMs }: { timeoutMs?: number } = {},
  ): Promise<void> {
    if (rows.length === 0) return;
    for (const { key, slot } of rows) {
      if (!this.slots.includes(slot))
        throw new RangeError(`${this.name} does not own slot ${slot} of key ${key}`);
    }
    const statements = toOwnedInserts(rows);
    await repeatAfterDeadlock(async () => this.#db.transact(statements, [], { timeoutMs }));
  }

  async find(key: string, ownerId?: bigint): Promise<OwnLink | undefined> {
    return findOwnLink(this.#db, { key, ownerId }, this.#timeoutMs);
  }

  async change(change: { link: OwnLink; change: LinkChange; changeId: string }): Promise<boolean> {
    return repeatAfterDeadlock(async () => changeLink(this.#db, change, this.#timeoutMs));
  }

  async list(
    question: ListQuestion,
    range: { after: ListPosition | undefined; count: number; timeoutMs: number },
  ): Promise<ListPiece> {
    return readListPiece(this.#db, question, range);
  }

  async scan(
    question: ScanQuestion,
    range: { after: ScanPosition; count: number; limit: number; timeoutMs: number },
  ): Promise<ScanPiece> {
    return scanLinks(this.#db, question, range);
  }

  async tagsOf(links: readonly OwnLink[]): Promise<ReadonlyMap<string, string[]>> {
    return readTags(this.#db, links, this.#timeoutMs);
  }

  async clicksOf(links: readonly OwnLink[]): Promise<ReadonlyMap<string, number>> {
    return readClicks(this.#db, links, this.#timeoutMs);
  }

  async countTags(range: { userId: bigint; after: string | undefined; count: number }): Promise<TagPiece> {
    return countTags(this.#db, range, this.#timeoutMs);
  }

  async renameTag(rename: TagRename, count: number): Promise<number> {
    return repeatAfterDeadlock(async () =>
      renameTag(this.#db, rename, { count, timeoutMs: this.#timeoutMs }),
    );
  }

  async leaveOwner(leaving: Leaving, count: number): Promise<string[]> {
    return repeatAfterDeadlock(async () =>
      leaveOwner(this.#db, leaving, { count, timeoutMs: this.#timeoutMs }),
    );
  }

  async prune(count: number): Promise<number> {
    return repeatAfterDeadlock(async () => pruneLinks(this.#db, count, this.#timeoutMs));
  }

  async close(): Promise<void> {
    await this.#db.close();
  }
}
