import type { DedicatedConnection } from '../mysql/dedicated-connection.ts';
import { MAX_PREPARED } from '../mysql/driver.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { StoreRefusedError } from '../store-errors.ts';
import { isRare, toInsert } from './link-insert.ts';
import type { LinkRow } from './link.ts';
import { PreparedInsert } from './prepared-insert.ts';

/** One statement is prepared for each number of rows. Larger INSERTs, which few clients cause, are text. */
const MAX_PREPARED_ROWS = MAX_PREPARED;

/**
 * Writes rows of `urls`, on a connection of its own. A second INSERT at the same time takes a connection of
 * the pool. INSERTs are prepared, unless a row has values in rare columns. When the server refuses what it
 * takes as text (it has too many prepared statements, or a proxy loses them), all later INSERTs are text.
 */
export class LinkWriter {
  readonly #db: Mysql;
  readonly #connection: DedicatedConnection;
  /** By their number of rows. */
  readonly #inserts: PreparedInsert[] = [];
  #mayPrepare = true;

  constructor(db: Mysql) {
    this.#db = db;
    this.#connection = db.createDedicatedConnection();
  }

  /** Writes all rows, at least one, or none. @throws the errors of a statement */
  async write(rows: readonly LinkRow[], timeoutMs: number): Promise<void> {
    if (!this.#mayPrepare || !this.#connection.isFree || rows.length > MAX_PREPARED_ROWS || rows.some(isRare))
      return this.#writeText(rows, timeoutMs);
    try {
      await this.#writePrepared(rows, timeoutMs);
    } catch (error) {
      // Nothing was written. It may be the fault of a row: then the text is refused too.
      if (!(error instanceof StoreRefusedError)) throw error;
      await this.#writeText(rows, timeoutMs);
      this.#mayPrepare = false;
    }
  }

  async #writePrepared(rows: readonly LinkRow[], timeoutMs: number): Promise<void> {
    const insert = (this.#inserts[rows.length] ??= new PreparedInsert(rows.length));
    await new Promise<void>((resolve, reject) => {
      this.#connection.writePrepared(
        insert.sql,
        (statementId) => insert.toPacket(statementId, rows),
        timeoutMs,
        (error) => (error === undefined ? resolve() : reject(error)),
      );
    });
  }

  async #writeText(rows: readonly LinkRow[], timeoutMs: number): Promise<void> {
    const sql = toInsert(rows);
    if (!this.#connection.isFree) {
      await this.#db.execute(sql, [], { timeoutMs });
      return;
    }
    await new Promise<void>((resolve, reject) => {
      this.#connection.write(sql, timeoutMs, (error) => (error === undefined ? resolve() : reject(error)));
    });
  }
}
