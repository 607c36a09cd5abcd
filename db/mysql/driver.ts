import { Duplex } from 'node:stream';
import { createPool, escape, format, type Pool, type PoolConnection } from 'mysql2';
import type { ConnectionSource } from './dedicated-connection.ts';
import { translateConnect } from './mysql-errors.ts';
import type { ReadCommand } from './read-command.ts';
import type { TransactionCommand } from './transaction-command.ts';
import type { WriteCommand } from './write-command.ts';

/** A value of a statement. The driver escapes it, in the text protocol. */
export type SqlValue = string | number | bigint | boolean | null | Date | Buffer | readonly SqlValue[];

export interface MysqlOptions {
  /** Names the store in errors and logs: "keys-db-1". */
  readonly name: string;
  /** Most connections open at the same time (default 4). */
  readonly connections?: number;
  readonly connectTimeoutMs?: number;
  readonly isolation?: 'READ COMMITTED' | 'REPEATABLE READ';
  /** Most seconds that a statement waits for a lock on a row or a table (default: 2, and the server's). */
  readonly lockWaitS?: number;
  /** The server ends a SELECT that takes longer, also when nobody waits for it any more (default: never). */
  readonly selectLimitS?: number;
  /** Statements that may wait for a connection. Beyond this number they fail immediately (default 1,000). */
  readonly queueLimit?: number;
  /** The server accepts several statements in one request, for `Mysql.transact` (default false). */
  readonly canTransact?: boolean;
  /** Every statement begins a transaction, which only COMMIT makes permanent (default false). */
  readonly withoutAutocommit?: boolean;
  /** Prepared statements of one connection, at most (default {@link MAX_PREPARED}). */
  readonly maxPrepared?: number;
}

export const DEFAULT_CONNECTIONS = 4;
/** Prepared statements of one connection. The driver closes the oldest one when there are more. */
export const MAX_PREPARED = 64;
const TIME_ZONE = 'Z';
const CLOSE_TIMEOUT_MS = 1_000;

/** UTC dates, no silent truncation, bounded waits for row locks (in seconds). */
const SESSION_SETTINGS = [
  "time_zone = '+00:00'",
  "sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
  'innodb_lock_wait_timeout = 2',
];

/** The first statements of a connection. */
function sessionSetup(options: MysqlOptions): string[] {
  const { isolation = 'READ COMMITTED', lockWaitS, selectLimitS, withoutAutocommit = false } = options;
  // A server may be configured otherwise, and then no statement would ever be committed.
  const autocommit = `autocommit = ${withoutAutocommit ? 0 : 1}`;
  const lockWaits =
    lockWaitS === undefined
      ? []
      : [`innodb_lock_wait_timeout = ${lockWaitS}`, `lock_wait_timeout = ${lockWaitS}`];
  const settings = [autocommit, ...SESSION_SETTINGS, ...lockWaits].join(', ');
  return [
    `SET SESSION ${settings}${selectLimitS === undefined ? '' : limitSelects(selectLimitS)}`,
    `SET SESSION TRANSACTION ISOLATION LEVEL ${isolation}`,
  ];
}

/** Each server runs the comment that is meant for it: MariaDB skips the numbers of MySQL 5.7 and later. */
function limitSelects(seconds: number): string {
  return ` /*M!100101 , max_statement_time = ${seconds} */ /*!50708 , max_execution_time = ${seconds * 1_000} */`;
}

/** The commands that are not the driver's. */
export type OwnCommand = ReadCommand | WriteCommand | TransactionCommand;

/** The connections to one MySQL database. The only file that imports the driver. */
export class ConnectionPool implements ConnectionSource<PoolConnection> {
  readonly name: string;
  readonly #pool: Pool;
  readonly #setup: readonly string[];
  /** From the start of the set-up until the connection is lost or destroyed. */
  readonly #open = new Set<PoolConnection>();
  /** How many callers have had to wait for a connection. */
  #queued = 0;
  #isClosing = false;

  constructor(url: string, options: MysqlOptions) {
    this.name = options.name;
    this.#setup = sessionSetup(options);
    this.#pool = createPool({
      uri: url,
      connectionLimit: options.connections ?? DEFAULT_CONNECTIONS,
      connectTimeout: options.connectTimeoutMs ?? 2_000,
      queueLimit: options.queueLimit ?? 1_000,
      waitForConnections: true,
      timezone: TIME_ZONE,
      queryFormat: fillIn,
      supportBigNumbers: true,
      enableKeepAlive: true,
      charset: 'utf8mb4',
      multipleStatements: options.canTransact ?? false,
      // By default each connection reserves half a megabyte for 16,000 of them.
      maxPreparedStatements: options.maxPrepared ?? MAX_PREPARED,
      // MySQL would expect a name of each parameter in the packets that ExecutePacket makes.
      flags: ['-CLIENT_QUERY_ATTRIBUTES'],
    });
    this.#pool.on('enqueue', () => (this.#queued += 1));
  }

  /**
   * Passes on a connection, or the reason why there is none. A new one runs its set-up before the first
   * statement.
   * @returns whether all connections are in use, so that the caller waits for another one
   */
  acquire(done: (error: Error | undefined, connection?: PoolConnection) => void): boolean {
    const queuedBefore = this.#queued;
    this.#pool.getConnection((unavailable, connection) => {
      if (unavailable) {
        done(translateConnect(this.name, unavailable));
        return;
      }
      if (!this.#open.has(connection)) this.#prepare(connection);
      done(undefined, connection);
    });
    return this.#queued !== queuedBefore;
  }

  release(connection: PoolConnection): void {
    connection.release();
  }

  /** By the way that the driver's own commands take. Its types do not name it. */
  send(connection: PoolConnection, command: OwnCommand): void {
    (connection as PoolConnection & CommandQueue).addCommand(command);
  }

  /** Destroys the connection. */
  forget(connection: PoolConnection): void {
    this.#open.delete(connection);
    connection.destroy();
    socketOf(connection)?.destroy();
  }

  isOpen(connection: PoolConnection): boolean {
    return !this.#isClosing && this.#open.has(connection);
  }

  /** Waits up to a second for the statements in flight, then cuts them off. Never rejects. */
  async close(): Promise<void> {
    this.#isClosing = true;
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
    this.#pool.end(() => resolve());
    await ended;
    clearTimeout(timer);
    // Destroys the sockets without the driver, which therefore reports the statements in flight as lost.
    for (const connection of this.#open) socketOf(connection)?.destroy();
    this.#open.clear();
  }

  /**
   * Queues the set-up before the first statement. When the set-up fails, the connection is destroyed, and
   * that statement fails too.
   */
  #prepare(connection: PoolConnection): void {
    this.#open.add(connection);
    connection.on('error', () => this.forget(connection));
    connection.on('end', () => this.#open.delete(connection));
    for (const statement of this.#setup) {
      connection.query(statement, (error) => {
        if (error) this.forget(connection);
      });
    }
  }
}

interface CommandQueue {
  addCommand(command: OwnCommand): void;
}

/**
 * The driver's `destroy` only half-closes. A hung server would never close the other half, and sockets would
 * pile up.
 */
function socketOf(connection: PoolConnection): Duplex | undefined {
  return 'stream' in connection && connection.stream instanceof Duplex ? connection.stream : undefined;
}

/**
 * Skips statements without values. The driver would search them for placeholders character by character,
 * INSERTs of hundreds of rows included.
 */
function fillIn(sql: string, values: readonly SqlValue[] | undefined): string {
  return values === undefined || values.length === 0
    ? sql
    : format(sql, values as Parameters<typeof format>[1], false, TIME_ZONE);
}

/**
 * `text` as a literal of a statement. For statements of many rows: the driver's own formatting would cost
 * more than the rest.
 */
export function toSqlText(text: string): string {
  return /^[\w !#$%&()*+,./:;<=>?@[\]^`{|}~-]*$/.test(text) ? `'${text}'` : escape(text);
}
