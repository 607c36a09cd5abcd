import type { DedicatedConnection } from '../mysql/dedicated-connection.ts';
import { MAX_PREPARED } from '../mysql/driver.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { StoreRefusedError } from '../store-errors.ts';
import { isRare, toInsert } from './link-insert.ts';
import type { LinkRow } from './link.ts';
import { PreparedInsert } from './prepared-insert.ts';

/** Up to this a statement is prepared for each number of rows, above it for the multiples of a step. */
const MAX_EXACT_ROWS = 64;
const STEP = 16;
const MAX_ROWS = MAX_EXACT_ROWS + STEP * (MAX_PREPARED - MAX_EXACT_ROWS);

/** The most rows, of so many that wait, that a prepared INSERT has. */
export function fitPrepared(waiting: number): number {
  if (waiting <= MAX_EXACT_ROWS) return waiting;
  return Math.min(MAX_ROWS, waiting - (waiting % STEP));
}

/**
 * Writes rows of `urls`, on a connection of its own. A second INSERT at the same time takes a connection of
 * the pool. INSERTs are prepared, unless a row has values in rare columns, or the number of rows does not
 * fit. When the server refuses what it takes as text (it has too many prepared statements, or a proxy loses
 * them), all later INSERTs are text.
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
    if (
      !this.#mayPrepare ||
      !this.#connection.isFree ||
      fitPrepared(rows.length) !== rows.length ||
      rows.some(isRare)
    )
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
