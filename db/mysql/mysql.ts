import { AnswerDeadline } from '../../runtime/answer-deadline.ts';
import { DedicatedConnection } from './dedicated-connection.ts';
import { ConnectionPool, DEFAULT_CONNECTIONS, type MysqlOptions, type SqlValue } from './driver.ts';
import {
  isFatal,
  lostAnswer,
  noConnection,
  translate,
  type DriverError,
  type StatementKind,
} from './mysql-errors.ts';

interface Statement {
  readonly kind: StatementKind;
  readonly sql: string;
  readonly params: readonly SqlValue[];
  readonly rowsAsArray?: boolean;
}

interface AffectedRows {
  readonly affectedRows: number;
}

export interface StatementOptions {
  /** For the connection and the answer together (default 5,000). */
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 5_000;

/**
 * A small pool of connections to one MySQL database. Every statement has a deadline and is its own autocommit
 * transaction, except for {@link Mysql.transact}.
 *
 * When a statement passes its deadline, its connection is destroyed and never reused: the server may still be
 * executing the statement. `affectedRows` counts the rows that an UPDATE matched, whether or not their values
 * changed.
 */
export class Mysql {
  readonly name: string;
  readonly #pool: ConnectionPool;
  readonly #connections: number;

  constructor(url: string, options: MysqlOptions) {
    this.name = options.name;
    this.#pool = new ConnectionPool(url, options);
    this.#connections = options.connections ?? DEFAULT_CONNECTIONS;
  }

  /**
   * Reads rows as objects.
   * @throws StoreUnavailableError also when the answer was lost: a read may be repeated
   */
  async query<Row extends object>(
    sql: string,
    params: readonly SqlValue[] = [],
    options: StatementOptions = {},
  ): Promise<Row[]> {
    return (await this.#run({ kind: 'read', sql, params }, options)) as Row[];
  }

  /** Reads rows as arrays of column values: about twice as fast for large ranges. */
  async queryArrays<Row extends readonly unknown[]>(
    sql: string,
    params: readonly SqlValue[] = [],
    options: StatementOptions = {},
  ): Promise<Row[]> {
    return (await this.#run({ kind: 'read', sql, params, rowsAsArray: true }, options)) as Row[];
  }

  /** Writes. @throws DuplicateRowError, OutcomeUnknownError, StoreUnavailableError, StoreRefusedError */
  async execute(
    sql: string,
    params: readonly SqlValue[] = [],
    options: StatementOptions = {},
  ): Promise<{ affectedRows: number }> {
    const result = await this.#run({ kind: 'write', sql, params }, options);
    return { affectedRows: (result as AffectedRows).affectedRows };
  }

  /**
   * Writes several statements as one transaction, sent in one request, so that the server never waits for us
   * while it holds locks. When one fails, none has happened. Needs `canTransact`.
   * @returns how many rows each statement affected, in their order; 0 for one that reads
   * @throws like {@link execute}
   */
  async transact(
    statements: readonly string[],
    params: readonly SqlValue[] = [],
    options: StatementOptions = {},
  ): Promise<number[]> {
    const sql = ['START TRANSACTION', ...statements, 'COMMIT'].join(';\n');
    const results = (await this.#run(
      { kind: 'transaction', sql, params },
      options,
    )) as Partial<AffectedRows>[];
    return results.slice(1, -1).map(({ affectedRows }) => affectedRows ?? 0);
  }

  /**
   * A connection out of the pool for one caller, which sends one statement at a time. Connects when first
   * used.
   */
  createDedicatedConnection(): DedicatedConnection {
    return new DedicatedConnection(this.#pool);
  }

  /** Opens all connections, so that no later statement waits for one. @throws StoreUnavailableError */
  async warmUp(): Promise<void> {
    await Promise.all(Array.from({ length: this.#connections }, async () => this.query('SELECT 1')));
  }

  /** Waits up to a second for the statements in flight, then cuts them off. Never rejects. */
  async close(): Promise<void> {
    await this.#pool.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #run(
    { kind, sql, params, rowsAsArray = false }: Statement,
    { timeoutMs = DEFAULT_TIMEOUT_MS }: StatementOptions,
  ): Promise<unknown> {
    const pool = this.#pool;
    return new Promise((resolve, reject) => {
      let isLate = false;
      let isQueued = false;
      let abandon: (() => void) | undefined;
      const deadline = new AnswerDeadline(timeoutMs, () => {
        isLate = true;
        if (abandon === undefined) {
          reject(noConnection(this.name, timeoutMs, isQueued));
          return;
        }
        abandon();
        reject(lostAnswer(this.name, kind, `no answer within ${timeoutMs} ms`));
      });
      isQueued = pool.acquire((unavailable, connection) => {
        if (connection === undefined) {
          deadline.clear();
          reject(unavailable);
          return;
        }
        if (isLate) {
          pool.release(connection);
          return;
        }
        abandon = () => pool.forget(connection);
        const statement = { sql, rowsAsArray, ...(params.length > 0 && { values: [...params] }) };
        connection.query(statement, (error: DriverError | null, result) => {
          deadline.clear();
          if (!error) {
            pool.release(connection);
            resolve(result);
            return;
          }
          // The server rolls back an incomplete transaction when its connection is closed.
          if (isFatal(error) || kind === 'transaction') pool.forget(connection);
          else pool.release(connection);
          reject(translate(this.name, kind, error));
        });
      });
    });
  }
}

/** @param url `mysql://user:password@host:port/database` */
export function openMysql(url: string, options: MysqlOptions): Mysql {
  return new Mysql(url, options);
}

/** The database named in a connection URL. */
export function databaseOf(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1));
}
