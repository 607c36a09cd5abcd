import { formatSlots } from '../../runtime/config/slots.ts';
import type { Log } from '../../runtime/log.ts';
import type { KeyspaceIdentity } from '../../runtime/config/keyspace-identity.ts';
import { repeatAfterDeadlock } from '../mysql/deadlock.ts';
import { openMysql, type Mysql } from '../mysql/mysql.ts';
import { checkSchema, logCompatible } from '../mysql/schema-version.ts';
import { MismatchError } from '../store-errors.ts';
import { hasForeignCodes, recordForeignCodes } from './foreign-flag.ts';
import { recordKeyspace, verifyKeyspace } from './keyspace-record.ts';
import { TargetReader } from './link-targets.ts';
import { LinkWriter } from './link-writer.ts';
import type { LinkRow, StoredLink } from './link.ts';
import { countUp, ensureIncarnation, readMark, type Beat, type ServerMark } from './marks.ts';
import { verifySlots } from './slots.ts';
import {
  existingKeys,
  findLinks,
  hasLinks,
  linksAfter,
  type LinkPosition,
  type WalkedLink,
} from './stored-links.ts';
import { WriteProof } from './write-proof.ts';

/**
 * One MySQL database of links, for the slots that it owns. Every statement goes to the primary.
 *
 * Reads throw StoreUnavailableError and may be repeated.
 */
export interface UrlsDb {
  readonly name: string;
  readonly slots: readonly number[];
  /**
   * Compares the keyspace and the map's slots with those that the database records. A new database records
   * the map's slots, once. Call it before any other method.
   * @param siblings the other urls databases of the map. While one of them has links, an empty database is
   * refused
   * @throws MismatchError when they disagree, or when the schema is not this program's
   */
  verifySlots(siblings?: readonly UrlsDb[]): Promise<void>;
  /** Compares only the keyspace, for programs that just read. @throws MismatchError */
  verifyKeyspace(): Promise<void>;
  /**
   * Records our keyspace if none is recorded, and compares it otherwise. Call it only after the keys-dbs were
   * verified.
   * @throws MismatchError
   */
  recordKeyspace(): Promise<void>;
  /**
   * Binds all rows or none, by one multi-row INSERT in the order of the primary key, in autocommit. The rows
   * are durable when it returns.
   *
   * @throws DuplicateRowError none was written: read the keys to learn which are taken, and by which request
   * @throws OutcomeUnknownError repeat the same rows (the same request ids), then read
   * @throws StoreUnavailableError none was written
   */
  insert(rows: readonly LinkRow[], options?: { timeoutMs?: number }): Promise<void>;
  /** The rows that exist, tombstones included, in no particular order. */
  find(keys: readonly string[], options?: { timeoutMs?: number }): Promise<StoredLink[]>;
  /**
   * For redirects: reads only the columns that they need, at half the cost for driver and server, on a
   * connection of its own.
   */
  createTargetReader(): TargetReader;
  /** Which of `keys` are bound (tombstones are). */
  existing(keys: readonly string[]): Promise<Set<string>>;
  /**
   * Links in the order of the primary key, starting after `position`: for a walk over all links in bounded
   * memory.
   */
  keysAfter(position: LinkPosition | undefined, count: number): Promise<WalkedLink[]>;
  hasLinks(): Promise<boolean>;
  /** Call it before links with codes of other shorteners are stored; see `foreign-flag`. */
  recordForeignCodes(): Promise<void>;
  /** Whether there may be links with codes of other shorteners. */
  hasForeignCodes(options?: { timeoutMs?: number }): Promise<boolean>;
  /** The server's mark for the holder of `keysDb`, and its identity. */
  mark(keysDb: string): Promise<ServerMark>;
  /** Gives the server an incarnation if it has none, the same one for all who call this. */
  ensureIncarnation(): Promise<void>;
  /** Counts up that mark if it is still as it was read; see {@link countUp}. */
  countUp(beat: Beat): Promise<number | undefined>;
  /**
   * Writes and commits to `urls`, and leaves nothing ({@link WriteProof}).
   * @throws StoreUnavailableError, OutcomeUnknownError or MismatchError: it takes no links now;
   * StoreRefusedError: we may not make this proof
   */
  proveWriting(timeoutMs: number): Promise<void>;
  /** Opens every connection beforehand. @throws StoreUnavailableError */
  warmUp(): Promise<void>;
  close(): Promise<void>;
}

export interface UrlsDbOptions {
  readonly name: string;
  readonly url: string;
  readonly slots: readonly number[];
  readonly log: Log;
  /** The keyspace that the database must belong to. Without it nothing is compared or recorded. */
  readonly keyspace?: KeyspaceIdentity;
  /** Default 8: a mapper's INSERTs are few and large, its reads many and small. */
  readonly connections?: number;
  /** Deadline of a statement, in ms. Default 2,000. */
  readonly timeoutMs?: number;
}

/**
 * How long a statement waits for a lock, in seconds: the least that MySQL knows, and less than the deadline
 * of an INSERT. While locks, a backup or an ALTER TABLE block all writes, the server thus answers that it
 * wrote nothing, and the links get keys of another server.
 */
const LOCK_WAIT_S = 1;

/** Connects when first used. */
export function openUrlsDb(options: UrlsDbOptions): UrlsDb {
  return new MysqlUrlsDb(options);
}

class MysqlUrlsDb implements UrlsDb {
  readonly name: string;
  readonly slots: readonly number[];
  readonly #db: Mysql;
  readonly #writer: LinkWriter;
  readonly #proof: WriteProof;
  readonly #log: Log;
  readonly #keyspace: KeyspaceIdentity | undefined;
  readonly #timeoutMs: number;

  constructor(options: UrlsDbOptions) {
    this.name = options.name;
    this.slots = options.slots;
    this.#log = options.log;
    this.#keyspace = options.keyspace;
    this.#timeoutMs = options.timeoutMs ?? 2_000;
    const settings = { name: options.name, connectTimeoutMs: this.#timeoutMs, lockWaitS: LOCK_WAIT_S };
    this.#db = openMysql(options.url, { ...settings, connections: options.connections ?? 8 });
    this.#writer = new LinkWriter(this.#db);
    this.#proof = new WriteProof(options.url, { ...settings, slot: options.slots[0] ?? 0 });
  }

  async verifySlots(siblings: readonly UrlsDb[] = []): Promise<void> {
    logCompatible(this.#log, this.name, await checkSchema(this.#db, 'urls'));
    await this.verifyKeyspace();
    await verifySlots(this.#db, this.slots, async () => {
      await this.#refuseBesideLinks(siblings);
      this.#log.info(
        { urlsDb: this.name, slots: formatSlots(this.slots) },
        'a new urls database records its slots',
      );
    });
  }

  async verifyKeyspace(): Promise<void> {
    if (this.#keyspace !== undefined) await verifyKeyspace(this.#db, this.#keyspace);
  }

  async recordKeyspace(): Promise<void> {
    if (this.#keyspace !== undefined) await recordKeyspace(this.#db, this.#keyspace);
  }

  async insert(
    rows: readonly LinkRow[],
    { timeoutMs = this.#timeoutMs }: { timeoutMs?: number } = {},
  ): Promise<void> {
    if (rows.length === 0) return;
    for (const row of rows) this.#refuseForeign(row);
    // The order of the rows prevents most deadlocks, but not all: when a statement that others wait for fails
    // as a duplicate, InnoDB grants its lock to all of them as a shared lock, and none can continue.
    await repeatAfterDeadlock(async () => this.#writer.write(rows, timeoutMs));
  }

  async find(
    keys: readonly string[],
    { timeoutMs = this.#timeoutMs }: { timeoutMs?: number } = {},
  ): Promise<StoredLink[]> {
    return findLinks(this.#db, keys, timeoutMs);
  }

  createTargetReader(): TargetReader {
    return new TargetReader(this.#db);
  }

  async existing(keys: readonly string[]): Promise<Set<string>> {
    return existingKeys(this.#db, keys, this.#timeoutMs);
  }

  async keysAfter(position: LinkPosition | undefined, count: number): Promise<WalkedLink[]> {
    return linksAfter(this.#db, position, count);
  }

  async hasLinks(): Promise<boolean> {
    return hasLinks(this.#db);
  }

  async recordForeignCodes(): Promise<void> {
    await recordForeignCodes(this.#db);
  }

  async hasForeignCodes({ timeoutMs = this.#timeoutMs }: { timeoutMs?: number } = {}): Promise<boolean> {
    return hasForeignCodes(this.#db, timeoutMs);
  }

  async mark(keysDb: string): Promise<ServerMark> {
    return readMark(this.#db, keysDb);
  }

  async ensureIncarnation(): Promise<void> {
    await ensureIncarnation(this.#db);
  }

  async countUp(beat: Beat): Promise<number | undefined> {
    return countUp(this.#db, beat);
  }

  async proveWriting(timeoutMs: number): Promise<void> {
    await this.#proof.make(timeoutMs);
  }

  async warmUp(): Promise<void> {
    await Promise.all([this.#db.warmUp(), this.#proof.warmUp()]);
  }

  async close(): Promise<void> {
    await Promise.all([this.#db.close(), this.#proof.close()]);
  }

  /** Refuses a row whose slot belongs to another server, because no primary key would protect it there. */
  #refuseForeign({ key, slot }: LinkRow): void {
    if (!this.slots.includes(slot))
      throw new RangeError(`${this.name} does not own slot ${slot} of key ${key}`);
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
