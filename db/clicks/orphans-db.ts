import { toSqlText } from '../mysql/driver.ts';
import { repeatAfterDeadlock } from '../mysql/deadlock.ts';
import { openMysql, type Mysql } from '../mysql/mysql.ts';
import { monotonicMs } from '../../runtime/clock.ts';
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
/** Rows of a day with which no key that was asked for once gets a row, until the day is pruned. */
export const FULL_DAY = 20_000;
const COUNTED_MS = 10_000;
const KEPT_DAYS = 90;
const TIMEOUT_MS = 2_500;

/** Connects when first used, so a server without orphans has no connection for them. */
export function openOrphansDb({ name, url }: { readonly name: string; readonly url: string }): OrphansDb {
  return new MysqlOrphansDb(openMysql(url, { name, connections: 1, canTransact: true }));
}

class MysqlOrphansDb implements OrphansDb {
  readonly #db: Mysql;
  #counted: { readonly day: string; readonly isFull: boolean; readonly atMs: number } | undefined;

  constructor(db: Mysql) {
    this.#db = db;
  }

  get name(): string {
    return this.#db.name;
  }

  async add(flush: OrphanFlush): Promise<'added' | 'repeated'> {
    const isFull = await this.#isFull(flush.day);
    const rows = flush.rows.toSorted((a, b) => compareAscii(a.key, b.key) || compareAscii(a.state, b.state));
    const day = toSqlText(flush.day);
    // Most of the keys that were asked for once are asked for never again.
    const [seldom, often] = [isFull ? rows.filter(isSeldom) : [], isFull ? rows.filter(isOften) : rows];
    const values = often.map(({ key, state, asked }) => [day, toSqlText(key), toSqlText(state), asked]);
    const insert = `INSERT INTO orphans (day, unique_id, state, asked) VALUES (${values.join('),(')})
      ON DUPLICATE KEY UPDATE asked = asked + VALUES(asked)`;
    const places = seldom.map(({ key, state }) => [day, toSqlText(key), toSqlText(state)]);
    const update = `UPDATE orphans SET asked = asked + 1
      WHERE (day, unique_id, state) IN ((${places.join('),(')}))`;
    try {
      const further = [...(often.length > 0 ? [insert] : []), ...(seldom.length > 0 ? [update] : [])];
      const statements = [markOf(flush), ...further];
      await repeatAfterDeadlock(async () => this.#db.transact(statements, [], { timeoutMs: TIMEOUT_MS }));
      return 'added';
    } catch (error) {
      if (isOld(error)) return 'repeated';
      throw error;
    }
  }

  /** Whether a day has so many rows that only those of use are added. Counted now and then. */
  async #isFull(day: string): Promise<boolean> {
    if (this.#counted?.day === day && monotonicMs() - this.#counted.atMs < COUNTED_MS)
      return this.#counted.isFull;
    const [row] = await this.#db.queryArrays<[number | string]>(
      'SELECT COUNT(*) FROM (SELECT 1 FROM orphans WHERE day = ? LIMIT ?) AS some',
      [day, FULL_DAY],
      { timeoutMs: TIMEOUT_MS },
    );
    const isFull = Number(row?.[0] ?? 0) >= FULL_DAY;
    this.#counted = { day, isFull, atMs: monotonicMs() };
    return isFull;
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

function isSeldom({ asked }: Orphan): boolean {
  return asked === 1;
}

function isOften(orphan: Orphan): boolean {
  return !isSeldom(orphan);
}

/** Of a day, the row that was asked for most among those that are too many. */
interface Place {
  readonly day: string;
  readonly asked: string;
  readonly key: string;
}

/** A position: days that are too old are still there. */
const OLD = '';

/**
 * Deletes up to `count` rows that are too old, or of keys that were asked for too seldom on their day. What
 * is too seldom is found once for each day: a scan leaves so many rows that each look at all of them is slow.
 * @param position from which it goes on; undefined: a round begins
 * @returns the next position; undefined: the round is complete
 */
export async function pruneOrphans(
  db: Mysql,
  position: string | undefined,
  count: number,
): Promise<string | undefined> {
  if (position === undefined || position === OLD) {
    const old = await db.execute(
      'DELETE FROM orphans WHERE day < UTC_DATE() - INTERVAL ? DAY ORDER BY day, unique_id, state LIMIT ?',
      [KEPT_DAYS, count],
    );
    // No day comes before it.
    return old.affectedRows === count ? OLD : nextPlace(db, '1000-01-01');
  }
  const { day, asked, key } = JSON.parse(position) as Place;
  // A DELETE in this order would sort all rows of the day.
  const seldom = await db.queryArrays<[string, OrphanState]>(
    `SELECT unique_id, state FROM orphans FORCE INDEX (orphans_asked)
     WHERE day = ? AND asked <= ? AND (asked < ? OR unique_id <= ?) ORDER BY asked, unique_id LIMIT ?`,
    [day, asked, asked, key, count],
  );
  if (seldom.length > 0) {
    const places = seldom.map(([unique, state]) => [day, unique, state]);
    // One that was asked for meanwhile may stay.
    await db.execute(
      `DELETE orphans FROM orphans FORCE INDEX (PRIMARY)
       WHERE (day, unique_id, state) IN (?) AND asked <= ?`,
      [places, asked],
    );
  }
  return seldom.length === count ? position : nextPlace(db, day);
}

/** The place of the next day with too many rows. */
async function nextPlace(db: Mysql, after: string): Promise<string | undefined> {
  const days = await db.queryArrays<[string, number]>(
    "SELECT DATE_FORMAT(day, '%Y-%m-%d'), day < UTC_DATE() FROM orphans WHERE day > ? GROUP BY day ORDER BY day",
    [after],
  );
  for (const [day, isOver] of days) {
    const [row] = await db.queryArrays<[string, string]>(
      `SELECT CAST(asked AS CHAR), unique_id FROM orphans WHERE day = ?
       ORDER BY asked DESC, unique_id DESC LIMIT ?, 1`,
      [day, isOver === 1 ? KEPT_OF_DAY : KEPT_OF_TODAY],
    );
    if (row !== undefined) return JSON.stringify({ day, asked: row[0], key: row[1] } satisfies Place);
  }
  return undefined;
}
