import type { LinkRow } from './link-row.ts';
import { formatSlots } from '../../runtime/config/slots.ts';
import { codeOf } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { slotOf } from '../keyspace/placement.ts';
import { toInsert } from './link-insert.ts';
import { TargetReader, whereKeys } from './link-targets.ts';
import { chunksOf } from '../mysql/chunks.ts';
import { openMysql, type Mysql } from '../mysql/mysql.ts';
import type { DedicatedConnection } from '../mysql/dedicated-connection.ts';
import { checkSchema } from '../mysql/schema-version.ts';
import { hasLinks, verifySlots } from './slots.ts';
import { MismatchError, StoreUnavailableError } from '../store-errors.ts';

/** A link as it is stored. */
export interface StoredLink {
  readonly key: string;
  /** null: a tombstone. The key stays bound for ever. */
  readonly originalUrl: string | null;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly requestId: string;
  readonly deletedAt: Date | null;
}

/** A place in the order of the primary key. */
export interface LinkPosition {
  readonly slot: number;
  readonly key: string;
}

/** A link met on a walk over all of them. */
export interface LinkMet extends LinkPosition {
  readonly isAlias: boolean;
}

/**
 * One MySQL database of links, for the slots it owns. Always asks the primary.
 *
 * Reads throw StoreUnavailableError; they may be repeated.
 */
export interface UrlsDb {
  readonly name: string;
  readonly slots: readonly number[];
  /**
   * Compares map and record; a new database takes the map's word, once. To be called before the database is used.
   * @param siblings the other urls databases of the map: while one of them holds links, an empty one is no new cluster's
   * @throws MismatchError when they disagree, or when the schema is not this program's
   */
  verifySlots(siblings?: readonly UrlsDb[]): Promise<void>;
  /**
   * Binds all rows or none: one plain multi-row INSERT, sorted by primary key, autocommit. When it returns, they are durable.
   *
   * @throws DuplicateRowError none was written: read the keys to learn which are taken, and by whom
   * @throws OutcomeUnknownError repeat the same rows (the same request ids), then read
   * @throws StoreUnavailableError none was written
   */
  insert(rows: readonly LinkRow[], options?: { timeoutMs?: number }): Promise<void>;
  /** The rows that exist, tombstones included, in no particular order. */
  find(keys: readonly string[], options?: { timeoutMs?: number }): Promise<StoredLink[]>;
  /** For redirects: only what they need, half the work for driver and server. It holds a connection of its own. */
  createTargetReader(): TargetReader;
  /** Which of `keys` are bound (tombstones are). */
  existing(keys: readonly string[]): Promise<Set<string>>;
  /** Keys in the order of the primary key, from after `position` on: for a walk over all links in bounded memory. */
  keysAfter(position: LinkPosition | undefined, count: number): Promise<LinkMet[]>;
  hasLinks(): Promise<boolean>;
  /** Opens every connection beforehand. @throws StoreUnavailableError */
  warmUp(): Promise<void>;
  close(): Promise<void>;
}

export interface UrlsDbOptions {
  readonly name: string;
  readonly url: string;
  readonly slots: readonly number[];
  readonly log: Log;
  /** Default 8: INSERTs of a mapper are few and large, reads many and small. */
  readonly connections?: number;
  /** Deadline of a statement, in ms. Default 2,000. */
  readonly timeoutMs?: number;
}

/**
 * How often an INSERT that lost a deadlock is repeated at once: nothing of it was written. Sorted rows avoid most, not all:
 * when a statement that others wait for fails as a duplicate, InnoDB lets them all share its lock, and none can go on.
 */
const MAX_DEADLOCKS = 5;

/** Keys looked up by one statement; above 1,000 MariaDB would turn the list into a join. */
const KEYS_PER_READ = 500;

/** Connects when first used. */
export function openUrlsDb(options: UrlsDbOptions): UrlsDb {
  return new MysqlUrlsDb(options);
}

interface Row {
  unique_id: string;
  original_url: string | null;
  created_at: Date;
  expires_at: Date | null;
  request_id: Buffer;
  deleted_at: Date | null;
}

class MysqlUrlsDb implements UrlsDb {
  readonly name: string;
  readonly slots: readonly number[];
  readonly #db: Mysql;
  /** For INSERTs. A second one at the same time takes a connection of the pool. */
  readonly #connection: DedicatedConnection;
  readonly #log: Log;
  readonly #timeoutMs: number;

  constructor(options: UrlsDbOptions) {
    this.name = options.name;
    this.slots = options.slots;
    this.#log = options.log;
    this.#timeoutMs = options.timeoutMs ?? 2_000;
    this.#db = openMysql(options.url, {
      name: options.name,
      connections: options.connections ?? 8,
      connectTimeoutMs: this.#timeoutMs,
    });
    this.#connection = this.#db.createDedicatedConnection();
  }

  async verifySlots(siblings: readonly UrlsDb[] = []): Promise<void> {
    await checkSchema(this.#db, 'urls');
    await verifySlots(this.#db, this.slots, async () => {
      await this.#refuseBesideLinks(siblings);
      this.#log.info(
        { urlsDb: this.name, slots: formatSlots(this.slots) },
        'a new urls database records its slots',
      );
    });
  }

  async insert(
    rows: readonly LinkRow[],
    { timeoutMs = this.#timeoutMs }: { timeoutMs?: number } = {},
  ): Promise<void> {
    if (rows.length === 0) return;
    const sql = toInsert(rows.map((row) => ({ slot: this.#ownSlotOf(row.key), row })));
    for (let deadlocks = 0; ; deadlocks++) {
      try {
        await this.#write(sql, timeoutMs);
        return;
      } catch (error) {
        if (!isDeadlock(error) || deadlocks === MAX_DEADLOCKS) throw error;
      }
    }
  }

  async find(
    keys: readonly string[],
    { timeoutMs = this.#timeoutMs }: { timeoutMs?: number } = {},
  ): Promise<StoredLink[]> {
    const columns = 'unique_id, original_url, created_at, expires_at, request_id, deleted_at';
    const links: StoredLink[] = [];
    for (const chunk of chunksOf(keys, KEYS_PER_READ)) {
      const sql = `SELECT ${columns} FROM urls WHERE ${whereKeys(chunk)}`;
      const rows = await this.#db.query<Row>(sql, [], { timeoutMs });
      for (const row of rows) links.push(toLink(row));
    }
    return links;
  }

  createTargetReader(): TargetReader {
    return new TargetReader(this.#db);
  }

  async existing(keys: readonly string[]): Promise<Set<string>> {
    const found = new Set<string>();
    for (const chunk of chunksOf(keys, KEYS_PER_READ)) {
      const sql = `SELECT unique_id FROM urls WHERE ${whereKeys(chunk)}`;
      const rows = await this.#db.queryArrays<[string]>(sql, [], { timeoutMs: this.#timeoutMs });
      for (const [key] of rows) found.add(key);
    }
    return found;
  }

  async keysAfter(position: LinkPosition | undefined, count: number): Promise<LinkMet[]> {
    const after = position === undefined ? 'TRUE' : '(slot = ? AND unique_id > ?) OR slot > ?';
    const params = position === undefined ? [] : [position.slot, position.key, position.slot];
    const sql = `SELECT slot, unique_id, alias FROM urls WHERE ${after} ORDER BY slot, unique_id LIMIT ?`;
    const rows = await this.#db.queryArrays<[number, string, number]>(sql, [...params, count], {
      timeoutMs: 10_000,
    });
    return rows.map(([slot, key, alias]) => ({ slot, key, isAlias: alias === 1 }));
  }

  async hasLinks(): Promise<boolean> {
    return hasLinks(this.#db);
  }

  async warmUp(): Promise<void> {
    await this.#db.warmUp();
  }

  async close(): Promise<void> {
    await this.#db.close();
  }

  async #write(sql: string, timeoutMs: number): Promise<void> {
    if (!this.#connection.isFree) {
      await this.#db.execute(sql, [], { timeoutMs });
      return;
    }
    await new Promise<void>((resolve, reject) => {
      this.#connection.write(sql, timeoutMs, (error) => (error === undefined ? resolve() : reject(error)));
    });
  }

  /** A row in a slot of another server would be guarded by no primary key: never, whatever the caller's fault. */
  #ownSlotOf(key: string): number {
    const slot = slotOf(key);
    if (!this.slots.includes(slot))
      throw new RangeError(`${this.name} does not own slot ${slot} of key ${key}`);
    return slot;
  }

  async #refuseBesideLinks(siblings: readonly UrlsDb[]): Promise<void> {
    const others = siblings.filter((sibling) => sibling.name !== this.name);
    const holding = await Promise.all(others.map(async (sibling) => sibling.hasLinks()));
    const sibling = others.find((_, index) => holding[index]);
    if (sibling === undefined) return;
    throw new MismatchError(
      this.name,
      `it is empty and records no slots, while ${sibling.name} already holds links: slots ${formatSlots(this.slots)} may ` +
        `have links on another server. Point ${this.name} at that one or, if they never had a link, record them in its table \`slots\``,
    );
  }
}

function toLink(row: Row): StoredLink {
  return {
    key: row.unique_id,
    originalUrl: row.original_url,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    requestId: row.request_id.toString('hex'),
    deletedAt: row.deleted_at,
  };
}

function isDeadlock(error: unknown): boolean {
  return error instanceof StoreUnavailableError && codeOf(error.cause) === 'ER_LOCK_DEADLOCK';
}
