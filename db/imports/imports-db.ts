import { slotOf } from '../keyspace/placement.ts';
import { chunksOf } from '../mysql/chunks.ts';
import { repeatAfterDeadlock } from '../mysql/deadlock.ts';
import type { SqlValue } from '../mysql/driver.ts';
import { openMysql, type Mysql } from '../mysql/mysql.ts';
import type { WantsEvents } from '../outbox/link-events.ts';
import { DuplicateRowError } from '../store-errors.ts';
import { whereKeys } from '../urls/link-targets.ts';
import { toImportedInserts, type ImportedRow } from './imported-rows.ts';

/** Some successive records of the file of an import. */
export interface BatchId {
  /** 32 hex digits. */
  readonly importId: string;
  /** From 0. */
  readonly batch: number;
}

/** An import that has begun. */
export interface BegunImport {
  /** The time of its first beginning, also of an earlier run: what counts as now. */
  readonly begunAt: Date;
  /** How many characters of records end a batch. null: none do. An import has the same in each run. */
  readonly batchCharacters: number | null;
}

/** A batch as it is stored. */
export interface StoredBatch {
  /** JSON: the keys of links that had no code. */
  readonly keys: string;
  /** JSON. null: the batch is not done. */
  readonly outcome: string | null;
}

/** A link whose key was wanted: whose it is. */
export interface KeyHolder {
  readonly key: string;
  /** 32 hex digits: of the request that made it. */
  readonly requestId: string;
}

/**
 * What imports write to one urls database: links, and what an import must remember.
 *
 * Reads throw StoreUnavailableError. Writes throw OutcomeUnknownError when they may have happened or may
 * still happen. Every method may be repeated then: it does nothing twice.
 */
export interface ImportsDb {
  readonly name: string;
  readonly slots: readonly number[];
  /**
   * Records that an import begins, or begins again.
   * @param first what holds for it when it has not begun before
   */
  begin(importId: string, first: BegunImport): Promise<BegunImport>;
  /** An import that has begun, and was not forgotten since then. */
  findBegun(importId: string): Promise<BegunImport | undefined>;
  findBatch(id: BatchId): Promise<StoredBatch | undefined>;
  /** @returns false when there is this batch already */
  insertBatch(id: BatchId, batch: StoredBatch): Promise<boolean>;
  /** Replaces the keys of a batch if they are still `before`. @returns whether they were */
  replaceKeys(id: BatchId, before: string, keys: string): Promise<boolean>;
  /** Records what became of a batch. */
  finishBatch(id: BatchId, outcome: string): Promise<void>;
  /**
   * Binds all rows or none, with their places in lists, their tags, their visits and their events.
   * @throws DuplicateRowError none was written: ask for the holders of the keys
   */
  bind(rows: readonly ImportedRow[]): Promise<void>;
  /** Who holds these keys, deleted links included. Free keys are absent. */
  findHolders(keys: readonly string[]): Promise<KeyHolder[]>;
  close(): Promise<void>;
}

export interface ImportsDbOptions {
  readonly name: string;
  readonly url: string;
  readonly slots: readonly number[];
  /** Default: nobody's, so no event is written. */
  readonly wantsEvents?: WantsEvents;
  /** Deadline of a statement, in ms. Default 5,000: a batch has hundreds of links. */
  readonly timeoutMs?: number;
}

/** As for other links: the server must answer that it wrote nothing before the deadline of a write. */
const LOCK_WAIT_S = 1;
/** Three bind, one works for the next batch. */
const CONNECTIONS = 4;
/** Above 1,000 MariaDB would turn the list into a join. */
const KEYS_PER_READ = 500;

/** Connects when first used, on its own connections: no redirect or shorten waits for it. */
export function openImportsDb(options: ImportsDbOptions): ImportsDb {
  return new MysqlImportsDb(options);
}

class MysqlImportsDb implements ImportsDb {
  readonly name: string;
  readonly slots: readonly number[];
  readonly #db: Mysql;
  readonly #wantsEvents: WantsEvents;
  readonly #timeoutMs: number;

  constructor({ name, url, slots, wantsEvents = () => false, timeoutMs = 5_000 }: ImportsDbOptions) {
    this.name = name;
    this.slots = slots;
    this.#wantsEvents = wantsEvents;
    this.#timeoutMs = timeoutMs;
    this.#db = openMysql(url, {
      name,
      connections: CONNECTIONS,
      connectTimeoutMs: 2_000,
      lockWaitS: LOCK_WAIT_S,
      canTransact: true,
    });
  }

  async begin(importId: string, first: BegunImport): Promise<BegunImport> {
    // While it is used it is not forgotten.
    await this.#write(
      `INSERT INTO imports (slot, import_id, begun_at, used_at, batch_characters)
       VALUES (?, ?, ?, UTC_TIMESTAMP(3), ?) ON DUPLICATE KEY UPDATE used_at = UTC_TIMESTAMP(3)`,
      [...this.#placeOf(importId), first.begunAt, first.batchCharacters],
    );
    return (await this.findBegun(importId)) ?? first;
  }

  async findBegun(importId: string): Promise<BegunImport | undefined> {
    const [row] = await this.#db.query<{ begun_at: Date; batch_characters: number | null }>(
      'SELECT begun_at, batch_characters FROM imports WHERE slot = ? AND import_id = ?',
      this.#placeOf(importId),
      { timeoutMs: this.#timeoutMs },
    );
    return row && { begunAt: row.begun_at, batchCharacters: row.batch_characters };
  }

  async findBatch({ importId, batch }: BatchId): Promise<StoredBatch | undefined> {
    const [row] = await this.#db.query<StoredBatch>(
      'SELECT unique_ids AS `keys`, outcome FROM import_batches WHERE slot = ? AND import_id = ? AND batch = ?',
      [...this.#placeOf(importId), batch],
      { timeoutMs: this.#timeoutMs },
    );
    return row;
  }

  async insertBatch({ importId, batch }: BatchId, { keys, outcome }: StoredBatch): Promise<boolean> {
    try {
      await this.#write(
        'INSERT INTO import_batches (slot, import_id, batch, unique_ids, outcome) VALUES (?, ?, ?, ?, ?)',
        [...this.#placeOf(importId), batch, keys, outcome],
      );
      return true;
    } catch (error) {
      if (error instanceof DuplicateRowError) return false;
      throw error;
    }
  }

  async replaceKeys({ importId, batch }: BatchId, before: string, keys: string): Promise<boolean> {
    const replaced = await this.#write(
      `UPDATE import_batches SET unique_ids = ? WHERE slot = ? AND import_id = ? AND batch = ? AND unique_ids = ?`,
      [keys, ...this.#placeOf(importId), batch, before],
    );
    return replaced === 1;
  }

  async finishBatch({ importId, batch }: BatchId, outcome: string): Promise<void> {
    await this.#write(
      `INSERT INTO import_batches (slot, import_id, batch, unique_ids, outcome) VALUES (?, ?, ?, '{}', ?)
       ON DUPLICATE KEY UPDATE outcome = VALUES(outcome)`,
      [...this.#placeOf(importId), batch, outcome],
    );
  }

  async bind(rows: readonly ImportedRow[]): Promise<void> {
    if (rows.length === 0) return;
    for (const { key, slot } of rows) this.#refuseForeign(slot, `key ${key}`);
    const statements = toImportedInserts(rows, this.#wantsEvents);
    await repeatAfterDeadlock(async () => this.#db.transact(statements, [], { timeoutMs: this.#timeoutMs }));
  }

  async findHolders(keys: readonly string[]): Promise<KeyHolder[]> {
    const holders: KeyHolder[] = [];
    for (const some of chunksOf(keys, KEYS_PER_READ)) {
      const sql = `SELECT unique_id, request_id FROM urls WHERE ${whereKeys(some)}`;
      const rows = await this.#db.queryArrays<[string, Buffer]>(sql, [], { timeoutMs: this.#timeoutMs });
      for (const [key, requestId] of rows) holders.push({ key, requestId: requestId.toString('hex') });
    }
    return holders;
  }

  async close(): Promise<void> {
    await this.#db.close();
  }

  async #write(sql: string, params: readonly SqlValue[]): Promise<number> {
    return repeatAfterDeadlock(async () => {
      const { affectedRows } = await this.#db.execute(sql, params, { timeoutMs: this.#timeoutMs });
      return affectedRows;
    });
  }

  #placeOf(importId: string): [slot: number, importId: Buffer] {
    const slot = slotOfImport(importId);
    this.#refuseForeign(slot, `import ${importId}`);
    return [slot, Buffer.from(importId, 'hex')];
  }

  /** Refuses a slot of another server, because no primary key would protect it here. */
  #refuseForeign(slot: number, what: string): void {
    if (!this.slots.includes(slot)) throw new RangeError(`${this.name} does not own slot ${slot} of ${what}`);
  }
}

/** In which slot an import is remembered, the same as `CRC32(LOWER(HEX(import_id))) % 32` in SQL. */
export function slotOfImport(importId: string): number {
  return slotOf(importId);
}
