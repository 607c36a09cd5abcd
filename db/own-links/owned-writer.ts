import { MAX_PREPARED, type MysqlOptions } from '../mysql/driver.ts';
import type { DedicatedConnection } from '../mysql/dedicated-connection.ts';
import { openMysql, type Mysql } from '../mysql/mysql.ts';
import { PreparedOrText } from '../mysql/prepared-or-text.ts';
import type { WantsEvents } from '../outbox/link-events.ts';
import { toCreatedEvents, toOwnedInserts, isPlain, type OwnedRow } from './owned-insert.ts';
import { PreparedOwnedInsert, type PlainOwnedRow } from './prepared-owned-insert.ts';

/** Two statements are prepared for each number of rows. Larger INSERTs, which few clients cause, are text. */
const MAX_PREPARED_ROWS = MAX_PREPARED;

export interface OwnedWriterOptions {
  readonly url: string;
  readonly options: MysqlOptions;
  /** For all that is not prepared. Its connections accept several statements in one request. */
  readonly texts: Mysql;
  readonly wantsEvents: WantsEvents;
}

/**
 * Writes links with an owner, or with rules, each INSERT as one transaction. Plain ones, which need nothing
 * but their place in a list, are prepared statements on a connection of its own. All others, and a second
 * INSERT at the same time, are text.
 */
export class OwnedWriter {
  readonly #texts: Mysql;
  readonly #wantsEvents: WantsEvents;
  readonly #prepared: Mysql;
  readonly #connection: DedicatedConnection;
  /** By their number of rows. */
  readonly #inserts: PreparedOwnedInsert[] = [];
  readonly #way = new PreparedOrText();

  /** Connects when first used. */
  constructor({ url, options, texts, wantsEvents }: OwnedWriterOptions) {
    this.#texts = texts;
    this.#wantsEvents = wantsEvents;
    this.#prepared = openMysql(url, {
      ...options,
      connections: 1,
      withoutAutocommit: true,
      maxPrepared: 2 * MAX_PREPARED_ROWS,
    });
    this.#connection = this.#prepared.createDedicatedConnection();
  }

  /** Writes all rows, at least one, or none. @throws the errors of a statement */
  async write(rows: readonly OwnedRow[], timeoutMs: number): Promise<void> {
    const isPrepared = this.#connection.isFree && this.#areUsual(rows);
    await this.#way.write(
      isPrepared ? async () => this.#writePrepared(rows, timeoutMs) : undefined,
      async () => this.#writeText(rows, timeoutMs),
    );
  }

  async close(): Promise<void> {
    await this.#prepared.close();
  }

  #areUsual(rows: readonly OwnedRow[]): rows is readonly PlainOwnedRow[] {
    return (
      rows.length <= MAX_PREPARED_ROWS &&
      rows.every((row) => row.userId !== null && isPlain(row) && !this.#wantsEvents(row.userId))
    );
  }

  async #writePrepared(rows: readonly PlainOwnedRow[], timeoutMs: number): Promise<void> {
    const insert = (this.#inserts[rows.length] ??= new PreparedOwnedInsert(rows.length));
    await new Promise<void>((resolve, reject) => {
      this.#connection.transactPrepared(insert.toWrites(rows), timeoutMs, (error) =>
        error === undefined ? resolve() : reject(error),
      );
    });
  }

  async #writeText(rows: readonly OwnedRow[], timeoutMs: number): Promise<void> {
    const statements = [...toOwnedInserts(rows), ...toCreatedEvents(rows, this.#wantsEvents)];
    await this.#texts.transact(statements, [], { timeoutMs });
  }
}
