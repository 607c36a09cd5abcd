import type { Mysql } from '../mysql/mysql.ts';

/**
 * The salts under which visitors are counted, one for each day. All processes share them, so that a visitor
 * counts once. All methods may throw StoreUnavailableError, and OutcomeUnknownError: repeat them.
 */
export class VisitorSalts {
  readonly #db: Mysql;

  constructor(db: Mysql) {
    this.#db = db;
  }

  /**
   * The salt of a day. There is none yet: from now on it is `salt`.
   * @param day UTC, `YYYY-MM-DD`
   * @param salt 32 random bytes
   */
  async ensure(day: string, salt: Buffer): Promise<Buffer> {
    await this.#db.execute('INSERT IGNORE INTO visitor_salts (day, salt) VALUES (?, ?)', [day, salt]);
    const [row] = await this.#db.queryArrays<[Buffer]>('SELECT salt FROM visitor_salts WHERE day = ?', [day]);
    return row?.[0] ?? salt;
  }

  /**
   * Removes the salts of days that ended a day ago, by the clock of the database: two days at most they last.
   */
  async removeOlder(): Promise<void> {
    await this.#db.execute('DELETE FROM visitor_salts WHERE day < UTC_DATE() - INTERVAL 1 DAY', []);
  }
}
