import { toSqlText } from '../mysql/driver.ts';
import { repeatAfterDeadlock } from '../mysql/deadlock.ts';
import { openMysql, type Mysql } from '../mysql/mysql.ts';
import { isOld } from './clicks-db.ts';
import { compareAscii, markOf } from './flush-statements.ts';

/** Why nobody could follow a key. */
export const ORPHAN_STATES = ['unknown', 'expired'] as const;

export type OrphanState = (typeof ORPHAN_STATES)[number];

/** A key that people ask for and cannot follow. */
export interface Orphan {
  readonly key: string;
  readonly state: OrphanState;
  /** How often, on one day. */
  readonly asked: number;
}

/** One numbered addition. A repetition under the same number must have the same rows. */
export interface OrphanFlush {
  /** Names one process from its start to its end, and nothing else that it flushes. */
  readonly source: string;
  /** Rises with every flush of the source to this database. */
  readonly seq: number;
  /** UTC, `YYYY-MM-DD`. */
  readonly day: string;
  /** Each pair of key and state once. Keys are ASCII. */
  readonly rows: readonly Orphan[];
}

/** What was asked for in vain, of the keys of one urls server. */
export interface OrphansDb {
  readonly name: string;
  /**
   * Adds the rows exactly once, however often it is called.
   * @throws OutcomeUnknownError, StoreUnavailableError: repeat the same flush
   */
  add(flush: OrphanFlush): Promise<'added' | 'repeated'>;
  /** The most asked of a day, most asked first. @throws StoreUnavailableError */
  top(day: string, states: readonly OrphanState[], limit: number): Promise<Orphan[]>;
  close(): Promise<void>;
}

/** Of a day that is over. */
export const KEPT_OF_DAY = 1_000;
/** Of today: one that is seldom asked now may be asked often later. */
export const KEPT_OF_TODAY = 5_000;
const KEPT_DAYS = 90;
const TIMEOUT_MS = 2_500;

/** Connects when first used, so a server without orphans has no connection for them. */
export function openOrphansDb({ name, url }: { readonly name: string; readonly url: string }): OrphansDb {
  return new MysqlOrphansDb(openMysql(url, { name, connections: 1, canTransact: true }));
}

class MysqlOrphansDb implements OrphansDb {
  readonly #db: Mysql;

  constructor(db: Mysql) {
    this.#db = db;
  }

  get name(): string {
    return this.#db.name;
  }

  async add(flush: OrphanFlush): Promise<'added' | 'repeated'> {
    const values = flush.rows
      .toSorted((a, b) => compareAscii(a.key, b.key) || compareAscii(a.state, b.state))
      .map(({ key, state, asked }) => [toSqlText(flush.day), toSqlText(key), toSqlText(state), asked]);
    const insert = `INSERT INTO orphans (day, unique_id, state, asked) VALUES (${values.join('),(')})
      ON DUPLICATE KEY UPDATE asked = asked + VALUES(asked)`;
    try {
      const statements = [markOf(flush), insert];
      await repeatAfterDeadlock(async () => this.#db.transact(statements, [], { timeoutMs: TIMEOUT_MS }));
      return 'added';
    } catch (error) {
      if (isOld(error)) return 'repeated';
      throw error;
    }
  }

  async top(day: string, states: readonly OrphanState[], limit: number): Promise<Orphan[]> {
    const marks = states.map(() => '?').join(', ');
    const rows = await this.#db.queryArrays<[string, OrphanState, number | string]>(
      `SELECT unique_id, state, asked FROM orphans WHERE day = ? AND state IN (${marks})
       ORDER BY asked DESC, unique_id, state LIMIT ?`,
      [day, ...states, limit],
    );
    return rows.map(([key, state, asked]) => ({ key, state, asked: Number(asked) }));
  }

  async close(): Promise<void> {
    await this.#db.close();
  }
}

/**
 * Deletes up to `count` rows that are too old, or of keys that were asked for too seldom on their day.
 * @returns how many
 */
export async function pruneOrphans(db: Mysql, count: number): Promise<number> {
  const old = await db.execute(
    'DELETE FROM orphans WHERE day < UTC_DATE() - INTERVAL ? DAY ORDER BY day, unique_id, state LIMIT ?',
    [KEPT_DAYS, count],
  );
  if (old.affectedRows > 0) return old.affectedRows;
  const [full] = await db.queryArrays<[string, number | string]>(
    `SELECT DATE_FORMAT(day, '%Y-%m-%d'), COUNT(*) - IF(day < UTC_DATE(), ?, ?) AS surplus
     FROM orphans GROUP BY day HAVING surplus > 0 ORDER BY day LIMIT 1`,
    [KEPT_OF_DAY, KEPT_OF_TODAY],
  );
  if (full === undefined) return 0;
  const [day, surplus] = full;
  const seldom = await db.execute(
    'DELETE FROM orphans WHERE day = ? ORDER BY asked, unique_id DESC, state LIMIT ?',
    [day, Math.min(count, Number(surplus))],
  );
  return seldom.affectedRows;
}
