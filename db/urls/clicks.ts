import { codeOf } from '../../runtime/errors.ts';
import { slotOf } from '../keyspace/placement.ts';
import { toSqlText } from '../mysql/driver.ts';
import { openMysql, type Mysql } from '../mysql/mysql.ts';
import { StoreRefusedError } from '../store-errors.ts';

/** The clicks of one link on one day. */
export interface ClickRow {
  readonly key: string;
  /** UTC, `YYYY-MM-DD`. */
  readonly day: string;
  readonly clicks: number;
}

/** One numbered addition. A repetition under the same number must have the same rows. */
export interface ClickFlush {
  /** Names one process from its start to its end. Never reused. At most 96 ASCII characters. */
  readonly source: string;
  /**
   * Rises with every flush of the source to this database. The next flush waits until the outcome of this one
   * is known.
   */
  readonly seq: number;
  /** Has each pair of key and day once. */
  readonly rows: readonly ClickRow[];
}

/** The clicks of the links in one urls database. */
export interface ClicksDb {
  readonly name: string;
  /**
   * Adds the rows exactly once, however often it is called. An older flush that arrives late is refused as
   * well.
   *
   * @returns whether this call or an earlier one added them
   * @throws OutcomeUnknownError: repeat the same flush
   * @throws StoreUnavailableError: nothing was added, repeat the same flush later
   */
  add(flush: ClickFlush): Promise<'added' | 'repeated'>;
  /** All clicks of a link, and the clicks of each day with at least one. @throws StoreUnavailableError */
  of(key: string): Promise<{ total: number; days: ClickRow[] }>;
  /** Deletes up to {@link PRUNED_AT_ONCE} marks of sources without a flush for {@link MARK_DAYS} days. */
  prune(): Promise<number>;
  close(): Promise<void>;
}

/** Days that the mark of a source is kept after its last flush: much longer than any flush is repeated. */
const MARK_DAYS = 30;
const PRUNED_AT_ONCE = 1_000;

/** Connects when first used, on its own connection, so that no bind or read waits for clicks. */
export function openClicksDb({ name, url }: { name: string; url: string }): ClicksDb {
  return new MysqlClicksDb(openMysql(url, { name, connections: 1, canTransact: true }));
}

/**
 * Adds a flush if and only if it is newer than the last flush of its source. For an older one it sets NULL,
 * which the column forbids, so that the server refuses the statement and with it the transaction.
 */
function markOf({ source, seq }: ClickFlush): string {
  return `INSERT INTO click_flushes (source, seq, flushed_at) VALUES (${toSqlText(source)}, ${seq}, UTC_TIMESTAMP(3))
  ON DUPLICATE KEY UPDATE seq = IF(seq < VALUES(seq), VALUES(seq), NULL), flushed_at = VALUES(flushed_at)`;
}

/** Writes text: the driver's formatting of every value would delay redirects by milliseconds. */
function additionOf({ rows }: ClickFlush): string {
  const values = rows
    .map((row) => ({ slot: slotOf(row.key), ...row }))
    // All mappers lock rows in the order of the primary key.
    .sort((a, b) => a.slot - b.slot || (a.key < b.key ? -1 : 1))
    .map(({ slot, key, day, clicks }) => `(${slot},${toSqlText(key)},${toSqlText(day)},${clicks})`);
  return `INSERT INTO clicks (slot, unique_id, day, clicks) VALUES ${values.join(',')}
  ON DUPLICATE KEY UPDATE clicks = clicks + VALUES(clicks)`;
}

const ADD_TIMEOUT_MS = 2_500;

class MysqlClicksDb implements ClicksDb {
  readonly #db: Mysql;

  constructor(db: Mysql) {
    this.#db = db;
  }

  get name(): string {
    return this.#db.name;
  }

  async add(flush: ClickFlush): Promise<'added' | 'repeated'> {
    if (flush.rows.length === 0) return 'added';
    try {
      await this.#db.transact([markOf(flush), additionOf(flush)], [], { timeoutMs: ADD_TIMEOUT_MS });
      return 'added';
    } catch (error) {
      if (isOld(error)) return 'repeated';
      throw error;
    }
  }

  async of(key: string): Promise<{ total: number; days: ClickRow[] }> {
    const rows = await this.#db.queryArrays<[string, number | string]>(
      "SELECT DATE_FORMAT(day, '%Y-%m-%d'), clicks FROM clicks WHERE slot = ? AND unique_id = ? ORDER BY day",
      [slotOf(key), key],
    );
    const days = rows.map(([day, clicks]) => ({ key, day, clicks: Number(clicks) }));
    return { total: days.reduce((sum, { clicks }) => sum + clicks, 0), days };
  }

  async prune(): Promise<number> {
    const sql = 'DELETE FROM click_flushes WHERE flushed_at < UTC_TIMESTAMP() - INTERVAL ? DAY LIMIT ?';
    const { affectedRows } = await this.#db.execute(sql, [MARK_DAYS, PRUNED_AT_ONCE]);
    return affectedRows;
  }

  async close(): Promise<void> {
    await this.#db.close();
  }
}

function isOld(error: unknown): boolean {
  return error instanceof StoreRefusedError && codeOf(error.cause) === 'ER_BAD_NULL_ERROR';
}
