import { ImpossibleValueError, parseCount } from '../../runtime/stored-values.ts';
import { openMysql, type Mysql } from '../mysql/mysql.ts';

/**
 * How far ids of the counter's region have been given out. It is kept in the users database, and is what
 * decides: ids belong to a mapper only after the mark was moved past them.
 *
 * Every method throws StoreUnavailableError when the database does not answer.
 */
export interface CounterMarks {
  readonly name: string;
  /**
   * Every id up to it belongs to some mapper, or is lost.
   * @throws ImpossibleValueError when there is no mark
   */
  read(options?: { readonly timeoutMs?: number }): Promise<number>;
  /**
   * Moves the mark to `to`, if it is not above `from`. Then the ids after `from` up to `to` are the caller's.
   * @returns false when it is above `from`: those ids may be somebody else's
   * @throws OutcomeUnknownError: the ids must not be used
   */
  advance(range: { readonly from: number; readonly to: number }): Promise<boolean>;
  /** Moves the mark to `to`, if it is lower. @throws OutcomeUnknownError; it may be repeated */
  raiseTo(to: number): Promise<void>;
  close(): Promise<void>;
}

const NAME = 'users';
/** A batch is needed soon: a database that does not answer for a second counts as away. */
const TIMEOUT_MS = 1_000;

/** Its connections are its own, so that requests of accounts make no batch wait. Connects when first used. */
export function openCounterMarks(
  { url }: { readonly url: string },
  { connections = 2 }: { readonly connections?: number } = {},
): CounterMarks {
  return new MysqlCounterMarks(openMysql(url, { name: NAME, connections, queueLimit: 16 }));
}

class MysqlCounterMarks implements CounterMarks {
  readonly #db: Mysql;

  constructor(db: Mysql) {
    this.#db = db;
  }

  get name(): string {
    return this.#db.name;
  }

  async read({ timeoutMs = TIMEOUT_MS } = {}): Promise<number> {
    const sql = 'SELECT reserved_to FROM counter_marks WHERE id = 1';
    const [row] = await this.#db.queryArrays<[unknown]>(sql, [], { timeoutMs });
    if (row === undefined) throw new ImpossibleValueError(this.name, 'counter_marks has no row 1');
    return parseCount(row[0], { store: this.name, what: 'reserved_to of counter_marks' });
  }

  async advance({ from, to }: { readonly from: number; readonly to: number }): Promise<boolean> {
    const sql = 'UPDATE counter_marks SET reserved_to = ? WHERE id = 1 AND reserved_to <= ?';
    const { affectedRows } = await this.#db.execute(sql, [to, from], { timeoutMs: TIMEOUT_MS });
    return affectedRows === 1;
  }

  async raiseTo(to: number): Promise<void> {
    const sql = 'UPDATE counter_marks SET reserved_to = ? WHERE id = 1 AND reserved_to < ?';
    await this.#db.execute(sql, [to, to], { timeoutMs: TIMEOUT_MS });
  }

  async close(): Promise<void> {
    await this.#db.close();
  }
}
