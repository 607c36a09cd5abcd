import type { DedicatedConnection } from '../mysql/dedicated-connection.ts';
import { MAX_PREPARED } from '../mysql/driver.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { PreparedOrText } from '../mysql/prepared-or-text.ts';
import { isRare, toInsert } from './link-insert.ts';
import type { LinkRow } from './link.ts';
import { PreparedInsert } from './prepared-insert.ts';

/** One statement is prepared for each number of rows. Larger INSERTs, which few clients cause, are text. */
const MAX_PREPARED_ROWS = MAX_PREPARED;

/**
 * Writes rows of `urls`, on a connection of its own. A second INSERT at the same time takes a connection of
 * the pool. INSERTs are prepared, unless a row has values in rare columns.
 */
export class LinkWriter {
  readonly #db: Mysql;
  readonly #connection: DedicatedConnection;
  /** By their number of rows. */
  readonly #inserts: PreparedInsert[] = [];
  readonly #way = new PreparedOrText();

  constructor(db: Mysql) {
    this.#db = db;
    this.#connection = db.createDedicatedConnection();
  }

  /** Writes all rows, at least one, or none. @throws the errors of a statement */
  async write(rows: readonly LinkRow[], timeoutMs: number): Promise<void> {
    const isPrepared = this.#connection.isFree && rows.length <= MAX_PREPARED_ROWS && !rows.some(isRare);
    await this.#way.write(
      isPrepared ? async () => this.#writePrepared(rows, timeoutMs) : undefined,
      async () => this.#writeText(rows, timeoutMs),
    );
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
