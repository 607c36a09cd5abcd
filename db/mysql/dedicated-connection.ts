import { extensionMs } from '../../runtime/answer-deadline.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { StoreUnavailableError } from '../store-errors.ts';
import {
  isFatal,
  lostAnswer,
  noConnection,
  translate,
  type DriverError,
  type StatementKind,
} from './mysql-errors.ts';
import { ReadCommand, type ColumnKind } from './read-command.ts';
import { TransactionCommand } from './transaction-command.ts';
import { WriteCommand } from './write-command.ts';

type DriverDone = (error: DriverError | null, result: unknown) => void;

/** The part of the driver's connection that is used here. */
export interface DriverConnection {
  query(statement: { sql: string; rowsAsArray?: boolean }, done: DriverDone): unknown;
  prepare(sql: string, done: (error: DriverError | null, statement: PreparedStatement) => void): unknown;
}

interface PreparedStatement {
  /** On its connection. The driver's types do not name it. */
  readonly id?: number;
  close(): unknown;
}

/** The pool that a dedicated connection comes from. */
export interface ConnectionSource<Connection extends DriverConnection> {
  readonly name: string;
  /** @returns whether all connections are in use, so that the caller waits for another one */
  acquire(done: (error: Error | undefined, connection?: Connection) => void): boolean;
  release(connection: Connection): void;
  /** Sends a command of ours, as soon as those before it have ended. */
  send(connection: Connection, command: ReadCommand | WriteCommand | TransactionCommand): void;
  /** Destroys the connection. */
  forget(connection: Connection): void;
  /** False once the connection is lost or the pool closes. */
  isOpen(connection: Connection): boolean;
}

/**
 * Called exactly once, when a statement has ended.
 * @param result the rows of a read; undefined after an error
 */
export type StatementDone = (error: Error | undefined, result: unknown) => void;

/** One statement of a transaction. */
export interface PreparedWrite {
  readonly sql: string;
  /** Makes the packet that executes the statement with this id. */
  toPacket(statementId: number): Buffer;
}

interface Running {
  readonly kind: StatementKind;
  readonly timeoutMs: number;
  deadlineMs: number;
  /** How often the deadline was extended, because the event loop was late. */
  extensions: number;
  readonly done: StatementDone;
  isSent: boolean;
  /** It waits for a connection that another caller uses. */
  isQueued: boolean;
}

/**
 * One connection out of a pool, kept for the statements of one caller, one after another. Redirects and
 * shortens wait for these statements. Compared with the pool this saves acquiring and releasing, one or two
 * promises, and a timer for each statement: one timer watches the deadline of the statement in flight.
 *
 * Statements fail with the same errors as those of the pool. A connection that is lost, or whose statement
 * passes its deadline, is replaced at the next statement.
 */
export class DedicatedConnection<Connection extends DriverConnection = DriverConnection> {
  readonly #pool: ConnectionSource<Connection>;
  #connection: Connection | undefined;
  #running: Running | undefined;
  /** Prepared on {@link #connection}, by SQL text. */
  readonly #prepared = new Map<string, PreparedStatement>();
  #timer: NodeJS.Timeout | undefined;
  #timerDueMs = 0;

  constructor(pool: ConnectionSource<Connection>) {
    this.#pool = pool;
  }

  /** No statement is in flight. */
  get isFree(): boolean {
    return this.#running === undefined;
  }

  /** Reads rows as arrays of column values. @throws RangeError while another statement is in flight */
  query(sql: string, timeoutMs: number, done: StatementDone): void {
    this.#run('read', timeoutMs, done, (connection, running) => {
      connection.query({ sql, rowsAsArray: true }, (error, rows) => this.#answered(running, error, rows));
    });
  }

  /**
   * Reads rows as arrays of column values, by a statement that each connection prepares once.
   * @param toPacket makes the packet that executes the statement with this id
   * @param columns what each column has
   * @throws RangeError while another statement is in flight
   */
  queryPrepared(
    sql: string,
    toPacket: (statementId: number) => Buffer,
    columns: readonly ColumnKind[],
    timeoutMs: number,
    done: StatementDone,
  ): void {
    this.#run('read', timeoutMs, done, (connection, running) => {
      this.#withPrepared(connection, sql, running, ({ id = 0 }) => {
        const answered = (error: DriverError | null, rows: unknown): void =>
          this.#answered(running, error, rows);
        this.#pool.send(connection, new ReadCommand(toPacket(id), columns, answered));
      });
    });
  }

  /**
   * Writes by a statement that each connection prepares once, `MAX_PREPARED` of them at most. It takes
   * the server a fifth less time than the same as text, and this process a third.
   * @param toPacket makes the packet that executes the statement with this id
   * @throws RangeError while another statement is in flight
   */
  writePrepared(
    sql: string,
    toPacket: (statementId: number) => Buffer,
    timeoutMs: number,
    done: StatementDone,
  ): void {
    this.#run('write', timeoutMs, done, (connection, running) => {
      this.#withPrepared(connection, sql, running, ({ id = 0 }) => {
        const command = new WriteCommand(toPacket(id), (error) => this.#answered(running, error, undefined));
        this.#pool.send(connection, command);
      });
    });
  }

  /**
   * Writes by several statements that each connection prepares once, as one transaction. It needs a
   * connection `withoutAutocommit`, which is closed after an error: then none of them has happened.
   * @throws RangeError while another statement is in flight
   */
  transactPrepared(writes: readonly PreparedWrite[], timeoutMs: number, done: StatementDone): void {
    this.#run('transaction', timeoutMs, done, (connection, running) => {
      const answered = (error: DriverError | null): void => this.#answered(running, error, undefined);
      const prepareFrom = (at: number, packets: readonly Buffer[]): void => {
        const write = writes[at];
        if (write === undefined) this.#pool.send(connection, new TransactionCommand(packets, answered));
        else
          this.#withPrepared(connection, write.sql, running, ({ id = 0 }) =>
            prepareFrom(at + 1, [...packets, write.toPacket(id)]),
          );
      };
      prepareFrom(0, []);
    });
  }

  /** Writes. @throws RangeError while another statement is in flight */
  write(sql: string, timeoutMs: number, done: StatementDone): void {
    this.#run('write', timeoutMs, done, (connection, running) => {
      connection.query({ sql }, (error, result) => this.#answered(running, error, result));
    });
  }

  #run(
    kind: StatementKind,
    timeoutMs: number,
    done: StatementDone,
    send: (connection: Connection, running: Running) => void,
  ): void {
    if (this.#running !== undefined)
      throw new RangeError(`a dedicated connection to ${this.#pool.name} takes one statement at a time`);
    const deadlineMs = monotonicMs() + timeoutMs;
    const running: Running = {
      kind,
      timeoutMs,
      deadlineMs,
      extensions: 0,
      done,
      isSent: false,
      isQueued: false,
    };
    this.#running = running;
    this.#armTimer(running.deadlineMs, timeoutMs);
    const connection = this.#connection;
    if (connection !== undefined && this.#pool.isOpen(connection)) {
      running.isSent = true;
      send(connection, running);
    } else this.#connect(running, send);
  }

  #connect(running: Running, send: (connection: Connection, running: Running) => void): void {
    this.#connection = undefined;
    this.#prepared.clear();
    running.isQueued = this.#pool.acquire((error, connection) => {
      if (this.#running !== running) {
        if (connection !== undefined) this.#pool.release(connection);
        return;
      }
      if (connection === undefined) {
        this.#end(running, error ?? new StoreUnavailableError(this.#pool.name, 'no connection'), undefined);
        return;
      }
      this.#connection = connection;
      running.isSent = true;
      send(connection, running);
    });
  }

  /** Prepares a statement if this connection has not done it yet. */
  #withPrepared(
    connection: Connection,
    sql: string,
    running: Running,
    execute: (statement: PreparedStatement) => void,
  ): void {
    const known = this.#prepared.get(sql);
    if (known !== undefined) {
      execute(known);
      return;
    }
    connection.prepare(sql, (error, statement) => {
      if (error !== null || this.#running !== running) {
        this.#answered(running, error, undefined);
        return;
      }
      this.#prepared.set(sql, statement);
      execute(statement);
    });
  }

  #answered(running: Running, error: DriverError | null, result: unknown): void {
    // Its deadline has passed: the caller has its error, and the connection is closed.
    if (this.#running !== running) return;
    if (error === null) {
      this.#end(running, undefined, result);
      return;
    }
    // The server rolls back an incomplete transaction when its connection is closed.
    if (isFatal(error) || running.kind === 'transaction') this.#drop();
    this.#end(running, translate(this.#pool.name, running.kind, error), undefined);
  }

  #end(running: Running, error: Error | undefined, result: unknown): void {
    this.#running = undefined;
    running.done(error, result);
  }

  #drop(): void {
    if (this.#connection !== undefined) this.#pool.forget(this.#connection);
    this.#connection = undefined;
  }

  /**
   * Makes sure that the timer fires by `deadlineMs`. A timer that fires earlier is set again, so that few
   * statements have to set one.
   */
  #armTimer(deadlineMs: number, inMs: number): void {
    if (this.#timer !== undefined) {
      if (this.#timerDueMs <= deadlineMs) return;
      clearTimeout(this.#timer);
    }
    this.#timerDueMs = deadlineMs;
    this.#timer = setTimeout(this.#checkDeadline, Math.ceil(inMs)).unref();
  }

  readonly #checkDeadline = (): void => {
    this.#timer = undefined;
    const running = this.#running;
    if (running === undefined) return;
    const leftMs = running.deadlineMs - monotonicMs();
    if (leftMs > 0) this.#armTimer(running.deadlineMs, leftMs);
    // After a stall of the event loop, timers run before sockets are read: first read the answer that may
    // have arrived.
    else setImmediate(() => this.#judge(running, -leftMs));
  };

  #judge(running: Running, lateMs: number): void {
    if (this.#running !== running) return;
    const { timeoutMs, extensions } = running;
    const moreMs = extensionMs({ timeoutMs, lateMs, extensions });
    if (moreMs === 0) {
      this.#timeOut(running);
      return;
    }
    running.extensions += 1;
    running.deadlineMs = monotonicMs() + moreMs;
    this.#armTimer(running.deadlineMs, moreMs);
  }

  #timeOut(running: Running): void {
    const { name } = this.#pool;
    const { kind, timeoutMs } = running;
    if (running.isSent) {
      // The server may still be executing it.
      this.#drop();
      this.#end(running, lostAnswer(name, kind, `no answer within ${timeoutMs} ms`), undefined);
    } else {
      this.#end(running, noConnection(name, timeoutMs, running.isQueued), undefined);
    }
  }
}
