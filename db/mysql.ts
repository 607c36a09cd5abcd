import { Duplex } from 'node:stream';
import {
  createPool,
  escape,
  format,
  type Pool,
  type PoolConnection,
  type QueryError,
  type ResultSetHeader,
} from 'mysql2';
import { codeOf, messageOf } from '../runtime/errors.ts';
import {
  DuplicateRowError,
  MismatchError,
  OutcomeUnknownError,
  StoreRefusedError,
  StoreUnavailableError,
} from './store-errors.ts';

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
  readonly severalStatements?: boolean;
}

export interface StatementOptions {
  /** Waiting for a connection and for the answer together (default 5,000). */
  readonly timeoutMs?: number;
}

type Kind = 'read' | 'write' | 'transaction';

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
      multipleStatements: options.severalStatements ?? false,
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
   * fails, none has happened. Needs `severalStatements`.
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

  /** Opens every connection it may have, so that no later statement waits for one. @throws StoreUnavailableError */
  async warmUp(): Promise<void> {
    await Promise.all(Array.from({ length: this.#connections }, async () => this.query('SELECT 1')));
  }

  /** Waits shortly for statements in flight, then cuts. Never rejects. */
  async close(): Promise<void> {
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
    kind: Kind,
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
      this.#pool.getConnection((unavailable, acquired) => {
        if (unavailable) {
          clearTimeout(timer);
          reject(translateConnect(this.name, unavailable));
          return;
        }
        if (isLate) {
          acquired.release();
          return;
        }
        connection = acquired;
        if (!this.#open.has(acquired)) this.#prepare(acquired);
        const statement = { sql, rowsAsArray, ...(params.length > 0 && { values: [...params] }) };
        acquired.query(statement, (error, result) => {
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

const LOCKED = new Set([1205, 1213, 3572]);
/** Definitely not done: too many connections, read-only, disk or table full, interrupted before commit. */
const BUSY = new Set([1040, 1203, 1290, 1792, 1836, 1021, 1114, 1317, 3024, 1969, 4031]);
/** An error while writing or committing: the server itself does not say how it ended. */
const UNTOLD = new Set([1026, 1030, 1180]);
const MISSING = new Set([1049, 1146, 1054]);

function translate(store: string, kind: Kind, error: QueryError): Error {
  const errno = error.errno ?? 0;
  if (errno === 1062) return new DuplicateRowError(store, error.message, error);
  if (MISSING.has(errno)) return missing(store, error);
  if (LOCKED.has(errno) || BUSY.has(errno)) return new StoreUnavailableError(store, error.message, error);
  if (UNTOLD.has(errno) || isFatal(error)) return lostAnswer(store, kind, messageOf(error), error);
  return new StoreRefusedError(store, `${error.code}: ${error.message}`, error);
}

function translateConnect(store: string, error: QueryError | Error): Error {
  if ('errno' in error && error.errno !== undefined && MISSING.has(error.errno)) return missing(store, error);
  return new StoreUnavailableError(store, messageOf(error) || codeOf(error), error);
}

function missing(store: string, error: Error): MismatchError {
  return new MismatchError(store, `${error.message} (has its schema been migrated?)`, error);
}

function lostAnswer(store: string, kind: Kind, reason: string, cause?: unknown): Error {
  if (kind === 'read') return new StoreUnavailableError(store, reason, cause);
  return new OutcomeUnknownError(store, reason, cause);
}

/** The connection is gone or about to go (1053: the server is shutting down). */
function isFatal(error: QueryError): boolean {
  return (
    error.fatal ||
    error.errno === undefined ||
    error.errno <= 0 ||
    error.errno === 1053 ||
    error.errno === 1927
  );
}
