import { codeOf } from '../../runtime/errors.ts';
import { slotOf } from '../keyspace/placement.ts';
import { openMysql, type Mysql } from '../mysql/mysql.ts';
import { StoreRefusedError } from '../store-errors.ts';
import type { ClickFlush, Counts } from './click-flush.ts';
import { toStatements } from './flush-statements.ts';

/** The clicks of one link on one day. */
export interface DayCounts extends Counts {
  /** UTC, `YYYY-MM-DD`. */
  readonly day: string;
}

/** The clicks of the links in one urls database. */
export interface ClicksDb {
  readonly name: string;
  /**
   * Adds the clicks exactly once, however often it is called. An older flush that arrives late is refused as
   * well.
   *
   * @returns whether this call or an earlier one added them
   * @throws OutcomeUnknownError: repeat the same flush
   * @throws StoreUnavailableError: nothing was added, repeat the same flush later
   * @throws StoreRefusedError: nothing was added, and a repetition is likely to be refused too
   */
  add(flush: ClickFlush): Promise<'added' | 'repeated'>;
  /** All clicks of a link, and the clicks of each day with at least one. @throws StoreUnavailableError */
  of(key: string): Promise<{ total: number; days: DayCounts[] }>;
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
    if (flush.links.length === 0) return 'added';
    try {
      await this.#db.transact(toStatements(flush), [], { timeoutMs: ADD_TIMEOUT_MS });
      return 'added';
    } catch (error) {
      if (isOld(error)) return 'repeated';
      throw error;
    }
  }

  async of(key: string): Promise<{ total: number; days: DayCounts[] }> {
    const ofLink = 'WHERE slot = ? AND unique_id = ?';
    const link = [slotOf(key), key];
    const rows = await this.#db.queryArrays<[string, number | string, number | string]>(
      `SELECT DATE_FORMAT(day, '%Y-%m-%d') AS at, SUM(humans), SUM(bots) FROM (
         SELECT DATE(hour) AS day, humans, bots FROM click_hours ${ofLink}
         UNION ALL SELECT day, humans, bots FROM click_days ${ofLink}
         UNION ALL SELECT day, clicks, 0 FROM clicks ${ofLink}
       ) counted GROUP BY at ORDER BY at`,
      [...link, ...link, ...link],
    );
    const days = rows.map(([day, humans, bots]) => ({ day, humans: Number(humans), bots: Number(bots) }));
    return { total: days.reduce((sum, { humans, bots }) => sum + humans + bots, 0), days };
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

/** See `markOf` in flush-statements.ts. */
export function isOld(error: unknown): boolean {
  return error instanceof StoreRefusedError && codeOf(error.cause) === 'ER_BAD_NULL_ERROR';
}
