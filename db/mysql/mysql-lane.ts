import { monotonicMs } from '../../runtime/clock.ts';
import { isFatal, lostAnswer, translate, type DriverError, type StatementKind } from './mysql-errors.ts';
import { StoreUnavailableError } from '../store-errors.ts';

type DriverDone = (error: DriverError | null, result: unknown) => void;

/** What a lane needs of the driver's connection. */
export interface LaneConnection {
  query(statement: { sql: string; rowsAsArray?: boolean }, done: DriverDone): unknown;
  prepare(sql: string, done: (error: DriverError | null, statement: PreparedStatement) => void): unknown;
}

interface PreparedStatement {
  execute(values: (string | number)[], done: DriverDone): unknown;
}

/** Where a lane has its connection from. */
export interface LanePool<Connection extends LaneConnection> {
  readonly name: string;
  acquire(done: (error: Error | undefined, connection?: Connection) => void): void;
  release(connection: Connection): void;
  /** Closes it for good. */
  forget(connection: Connection): void;
  /** Whether it may still be used. */
  isOpen(connection: Connection): boolean;
}

/** Told, exactly once, how a statement ended. @param result rows, of a read; nothing after an error */
export type LaneDone = (error: Error | undefined, result: unknown) => void;

interface Running {
  readonly kind: StatementKind;
  readonly timeoutMs: number;
  readonly deadlineMs: number;
  readonly done: LaneDone;
  isSent: boolean;
}

/**
 * One connection, kept for statements that follow one another: what a redirect or a shorten waits for. Beside a pool it spares the
 * acquiring and giving back, a promise or two, and the timer of each statement: one timer looks after whichever is under way.
 *
 * Statements fail like those of the pool; a connection that was lost, or whose statement outlived its deadline, is replaced at the next.
 */
export class MysqlLane<Connection extends LaneConnection = LaneConnection> {
  readonly #pool: LanePool<Connection>;
  #connection: Connection | undefined;
  #running: Running | undefined;
  /** Those of {@link #connection}, by their text. */
  readonly #prepared = new Map<string, PreparedStatement>();
  #timer: NodeJS.Timeout | undefined;
  #timerDueMs = 0;

  constructor(pool: LanePool<Connection>) {
    this.#pool = pool;
  }

  /** Whether no statement is under way. */
  get isFree(): boolean {
    return this.#running === undefined;
  }

  /** Reads rows as arrays of column values. @throws RangeError when a statement is still under way */
  query(sql: string, timeoutMs: number, done: LaneDone): void {
    this.#run('read', timeoutMs, done, (connection, running) => {
      connection.query({ sql, rowsAsArray: true }, (error, rows) => this.#answered(running, error, rows));
    });
  }

  /** Reads rows as objects, by a statement that is prepared once for each connection. @throws RangeError when a statement is still under way */
  queryPrepared(sql: string, values: (string | number)[], timeoutMs: number, done: LaneDone): void {
    this.#run('read', timeoutMs, done, (connection, running) => {
      const known = this.#prepared.get(sql);
      if (known === undefined) this.#prepare(connection, sql, values, running);
      else known.execute(values, (error, rows) => this.#answered(running, error, rows));
    });
  }

  /** Writes. @throws RangeError when a statement is still under way */
  write(sql: string, timeoutMs: number, done: LaneDone): void {
    this.#run('write', timeoutMs, done, (connection, running) => {
      connection.query({ sql }, (error, result) => this.#answered(running, error, result));
    });
  }

  #run(
    kind: StatementKind,
    timeoutMs: number,
    done: LaneDone,
    send: (connection: Connection, running: Running) => void,
  ): void {
    if (this.#running !== undefined)
      throw new RangeError(`a lane to ${this.#pool.name} takes one statement at a time`);
    const running: Running = { kind, timeoutMs, deadlineMs: monotonicMs() + timeoutMs, done, isSent: false };
    this.#running = running;
    this.#watch(running.deadlineMs, timeoutMs);
    const connection = this.#connection;
    if (connection !== undefined && this.#pool.isOpen(connection)) {
      running.isSent = true;
      send(connection, running);
    } else this.#connect(running, send);
  }

  #connect(running: Running, send: (connection: Connection, running: Running) => void): void {
    this.#connection = undefined;
    this.#prepared.clear();
    this.#pool.acquire((error, connection) => {
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

  #prepare(connection: Connection, sql: string, values: (string | number)[], running: Running): void {
    connection.prepare(sql, (error, statement) => {
      if (error !== null || this.#running !== running) {
        this.#answered(running, error, undefined);
        return;
      }
      this.#prepared.set(sql, statement);
      statement.execute(values, (failure, rows) => this.#answered(running, failure, rows));
    });
  }

  #answered(running: Running, error: DriverError | null, result: unknown): void {
    // After its deadline it has been told already, and its connection is closed.
    if (this.#running !== running) return;
    if (error === null) {
      this.#end(running, undefined, result);
      return;
    }
    if (isFatal(error)) this.#drop();
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

  /** Sees to it that the timer is due by then. It may be due before, and then looks again: few statements need it set anew. */
  #watch(deadlineMs: number, inMs: number): void {
    if (this.#timer !== undefined) {
      if (this.#timerDueMs <= deadlineMs) return;
      clearTimeout(this.#timer);
    }
    this.#timerDueMs = deadlineMs;
    this.#timer = setTimeout(this.#look, Math.ceil(inMs)).unref();
  }

  readonly #look = (): void => {
    this.#timer = undefined;
    const running = this.#running;
    if (running === undefined) return;
    const leftMs = running.deadlineMs - monotonicMs();
    if (leftMs > 0) {
      this.#watch(running.deadlineMs, leftMs);
      return;
    }
    const { name } = this.#pool;
    const { kind, timeoutMs } = running;
    if (running.isSent) {
      // The server may still be executing it.
      this.#drop();
      this.#end(running, lostAnswer(name, kind, `no answer within ${timeoutMs} ms`), undefined);
    } else {
      this.#end(running, new StoreUnavailableError(name, `no connection within ${timeoutMs} ms`), undefined);
    }
  };
}
