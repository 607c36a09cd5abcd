import { codeOf } from '../../runtime/errors.ts';
import { slotOf } from '../keyspace/placement.ts';
import { toSqlText } from '../mysql/driver.ts';
import { openMysql, type Mysql } from '../mysql/mysql.ts';
import { StoreRefusedError } from '../store-errors.ts';

/** How often one link was followed on one day. */
export interface ClickRow {
  readonly key: string;
  /** UTC, `YYYY-MM-DD`. */
  readonly day: string;
  readonly clicks: number;
}

/** One numbered addition. Repeated under the same number it must hold the same rows. */
export interface ClickFlush {
  /** Names one process from its start to its end: never used again. At most 96 ASCII characters. */
  readonly source: string;
  /** Rises with every flush of the source to this database; it goes on only when the one before has been settled. */
  readonly seq: number;
  /** Each key and day once. */
  readonly rows: readonly ClickRow[];
}

/** The clicks of the links in one urls database. */
export interface ClicksDb {
  readonly name: string;
  /**
   * Adds the rows, once however often it is called: the flush before last could arrive late, and is refused like the last.
   *
   * @returns whether this call added them, or an earlier one had
   * @throws OutcomeUnknownError repeat the same flush
   * @throws StoreUnavailableError nothing was added: repeat the same flush later
   */
  add(flush: ClickFlush): Promise<'added' | 'repeated'>;
  /** All clicks of a link, and those of each day that had any. @throws StoreUnavailableError */
  of(key: string): Promise<{ total: number; days: ClickRow[] }>;
  /** Deletes the marks of sources that have not flushed for {@link MARK_DAYS}; a bounded number at a time. */
  prune(): Promise<number>;
  close(): Promise<void>;
}

/** How long the mark of a source is kept after its last flush: far longer than any flush is repeated. */
const MARK_DAYS = 30;
const PRUNED_AT_ONCE = 1_000;

/** Connects when first used, with one connection of its own: clicks never stand before a bind or a read. */
export function openClicksDb({ name, url }: { name: string; url: string }): ClicksDb {
  return new MysqlClicksDb(openMysql(url, { name, connections: 1, canTransact: true }));
}

/**
 * NULL where none may stand: the server refuses the statement, and with it the transaction. So a flush is added if and only if it is
 * newer than the last of its source, whether the one before was confirmed, or arrives now.
 */
function markOf({ source, seq }: ClickFlush): string {
  return `INSERT INTO click_flushes (source, seq, flushed_at) VALUES (${toSqlText(source)}, ${seq}, UTC_TIMESTAMP(3))
  ON DUPLICATE KEY UPDATE seq = IF(seq < VALUES(seq), VALUES(seq), NULL), flushed_at = VALUES(flushed_at)`;
}

/** As text: the driver's way through every value would hold redirects up for milliseconds. */
function additionOf({ rows }: ClickFlush): string {
  const values = rows
    .map((row) => ({ slot: slotOf(row.key), ...row }))
    // In the order of the primary key, in which all mappers lock them.
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
