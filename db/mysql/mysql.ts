import { Duplex } from 'node:stream';
import { createPool, escape, format, type Pool, type PoolConnection, type ResultSetHeader } from 'mysql2';
import {
  isFatal,
  lostAnswer,
  translate,
  translateConnect,
  type DriverError,
  type StatementKind,
} from './mysql-errors.ts';
import { DedicatedConnection } from './dedicated-connection.ts';
import { StoreUnavailableError } from '../store-errors.ts';

/** What a statement may be given: escaped by the driver, in the text protocol. */
export type SqlValue = string | number | bigint | boolean | null | Date | Buffer | readonly SqlValue[];

export interface MysqlOptions {
  /** Names the store in errors and logs: "keys-db-1". */
  readonly name: string;
  /** Most connections open at once (default 4). */
  readonly connections?: number;
  readonly connectTimeoutMs?: number;
  /** `innodb_lock_wait_timeout` of every connection, in seconds (default 2). */
  readonly lockWaitTimeoutS?: number;
  readonly isolation?: 'READ COMMITTED' | 'REPEATABLE READ';
  /** Statements that may wait for a connection; beyond it they fail at once (default 1,000). */
  readonly queueLimit?: number;
  /** For {@link Mysql.transact}: the server takes several statements at once (default false). */
  readonly canTransact?: boolean;
}

export interface StatementOptions {
  /** Waiting for a connection and for the answer together (default 5,000). */
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 5_000;
const TIME_ZONE = 'Z';

/** The driver would search a statement without values for placeholders all the same, character by character: INSERTs of hundreds of rows among them. */
function fillIn(sql: string, values: readonly SqlValue[] | undefined): string {
  return values === undefined || values.length === 0
    ? sql
    : format(sql, values as Parameters<typeof format>[1], false, TIME_ZONE);
}

const CLOSE_TIMEOUT_MS = 1_000;

/** Statements of a new connection's set-up: UTC dates, no silent truncation, bounded lock waits. */
function sessionSetup(options: MysqlOptions): string[] {
  const settings = [
    'autocommit = 1', // a server may be configured otherwise, and then nothing would ever be committed
    "time_zone = '+00:00'",
    "sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
    `innodb_lock_wait_timeout = ${options.lockWaitTimeoutS ?? 2}`,
  ];
  return [
    `SET SESSION ${settings.join(', ')}`,
    `SET SESSION TRANSACTION ISOLATION LEVEL ${options.isolation ?? 'READ COMMITTED'}`,
  ];
}

/**
 * A small pool of connections to one MySQL database: every statement has a deadline and, but for {@link Mysql.transact}, is its own
 * autocommit transaction.
 *
 * A connection whose statement outlived its deadline is destroyed, never reused: the server may still be executing it.
 * `affectedRows` counts rows matched by an UPDATE, whether or not their values changed.
 */
export class Mysql {
  readonly name: string;
  readonly #pool: Pool;
  readonly #setup: readonly string[];
  readonly #connections: number;
  /** Connections whose set-up was begun, until they go. */
  readonly #open = new Set<PoolConnection>();
  #isClosing = false;

  constructor(url: string, options: MysqlOptions) {
    this.name = options.name;
    this.#pool = createPool({
      uri: url,
      connectionLimit: options.connections ?? 4,
      connectTimeout: options.connectTimeoutMs ?? 2_000,
      queueLimit: options.queueLimit ?? 1_000,
      waitForConnections: true,
      timezone: TIME_ZONE,
      queryFormat: fillIn,
      supportBigNumbers: true,
      enableKeepAlive: true,
      charset: 'utf8mb4',
      multipleStatements: options.canTransact ?? false,
    });
    this.#setup = sessionSetup(options);
    this.#connections = options.connections ?? 4;
  }

  /** Reads rows as objects. @throws StoreUnavailableError also when the answer was lost: a read may be repeated */
  async query<Row extends object>(
    sql: string,
    params: readonly SqlValue[] = [],
    options: StatementOptions = {},
  ): Promise<Row[]> {
    return (await this.#run(sql, params, 'read', false, options)) as Row[];
  }

  /** Reads rows as arrays of column values: about twice as fast for large ranges. */
  async queryArrays<Row extends readonly unknown[]>(
    sql: string,
    params: readonly SqlValue[] = [],
    options: StatementOptions = {},
  ): Promise<Row[]> {
    return (await this.#run(sql, params, 'read', true, options)) as Row[];
  }

  /** Writes. @throws DuplicateRowError, OutcomeUnknownError, StoreUnavailableError, StoreRefusedError */
  async execute(
    sql: string,
    params: readonly SqlValue[] = [],
    options: StatementOptions = {},
  ): Promise<{ affectedRows: number }> {
    const result = (await this.#run(sql, params, 'write', false, options)) as ResultSetHeader;
    return { affectedRows: result.affectedRows };
  }

  /**
   * Writes several statements as one transaction, sent in one piece: the server never waits for us while it holds locks. When one
   * fails, none has happened. Needs `canTransact`.
   * @throws like {@link execute}
   */
  async transact(
    statements: readonly string[],
    params: readonly SqlValue[] = [],
    options: StatementOptions = {},
  ): Promise<void> {
    const sql = ['START TRANSACTION', ...statements, 'COMMIT'].join(';\n');
    await this.#run(sql, params, 'transaction', false, options);
  }

  /** A connection out of the pool for one caller's statements, one after another. Connects when first used. */
  createDedicatedConnection(): DedicatedConnection {
    return new DedicatedConnection<PoolConnection>({
      name: this.name,
      acquire: (done) => this.#acquire(done),
      release: (connection) => connection.release(),
      forget: (connection) => this.#forget(connection),
      isOpen: (connection) => !this.#isClosing && this.#open.has(connection),
    });
  }

  /** Opens every connection it may have, so that no later statement waits for one. @throws StoreUnavailableError */
  async warmUp(): Promise<void> {
    await Promise.all(Array.from({ length: this.#connections }, async () => this.query('SELECT 1')));
  }

  /** Waits shortly for statements in flight, then cuts. Never rejects. */
  async close(): Promise<void> {
    this.#isClosing = true;
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
    this.#pool.end(() => resolve());
    await ended;
    clearTimeout(timer);
    // Without telling the driver: it then answers statements in flight as lost.
    for (const connection of this.#open) socketOf(connection)?.destroy();
    this.#open.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** One deadline for both: to get a connection, and to get the answer. */
  async #run(
    sql: string,
    params: readonly SqlValue[],
    kind: StatementKind,
    rowsAsArray: boolean,
    { timeoutMs = DEFAULT_TIMEOUT_MS }: StatementOptions,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      let isLate = false;
      let connection: PoolConnection | undefined;
      const timer = setTimeout(() => {
        isLate = true;
        if (connection === undefined) {
          reject(new StoreUnavailableError(this.name, `no connection within ${timeoutMs} ms`));
          return;
        }
        this.#forget(connection);
        reject(lostAnswer(this.name, kind, `no answer within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#acquire((unavailable, acquired) => {
        if (acquired === undefined) {
          clearTimeout(timer);
          reject(unavailable);
          return;
        }
        if (isLate) {
          acquired.release();
          return;
        }
        connection = acquired;
        const statement = { sql, rowsAsArray, ...(params.length > 0 && { values: [...params] }) };
        acquired.query(statement, (error: DriverError | null, result) => {
          clearTimeout(timer);
          if (!error) {
            acquired.release();
            resolve(result);
            return;
          }
          // Of a transaction that broke off, the server rolls back what is left when the connection goes.
          if (isFatal(error) || kind === 'transaction') this.#forget(acquired);
          else acquired.release();
          reject(translate(this.name, kind, error));
        });
      });
    });
  }

  #acquire(done: (error: Error | undefined, connection?: PoolConnection) => void): void {
    this.#pool.getConnection((unavailable, connection) => {
      if (unavailable) {
        done(translateConnect(this.name, unavailable));
        return;
      }
      if (!this.#open.has(connection)) this.#prepare(connection);
      done(undefined, connection);
    });
  }

  /** Queued on the connection before its first statement; when it fails, so does that statement, and the connection goes. */
  #prepare(connection: PoolConnection): void {
    this.#open.add(connection);
    connection.on('error', () => this.#forget(connection));
    connection.on('end', () => this.#open.delete(connection));
    for (const statement of this.#setup) {
      connection.query(statement, (error) => {
        if (error) this.#forget(connection);
      });
    }
  }

  #forget(connection: PoolConnection): void {
    this.#open.delete(connection);
    connection.destroy();
    socketOf(connection)?.destroy();
  }
}

/** The driver's `destroy` only half-closes: a server that hangs would never close the other half, and sockets pile up. */
function socketOf(connection: PoolConnection): Duplex | undefined {
  return 'stream' in connection && connection.stream instanceof Duplex ? connection.stream : undefined;
}

/** @param url `mysql://user:password@host:port/database` */
export function openMysql(url: string, options: MysqlOptions): Mysql {
  return new Mysql(url, options);
}

/** `text` as a literal of a statement. For statements of many rows, where the driver's way through every value costs more than the rest. */
export function toSqlText(text: string): string {
  return /^[\w !#$%&()*+,./:;<=>?@[\]^`{|}~-]*$/.test(text) ? `'${text}'` : escape(text);
}

/** The database named in a connection URL. */
export function databaseOf(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1));
}
