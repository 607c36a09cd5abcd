import type { Mysql } from '../mysql/mysql.ts';

/** What somebody has said about a link. */
export interface Report {
  readonly id: bigint;
  readonly key: string;
  readonly reason: string;
  readonly createdAt: Date;
}

interface ReportRow {
  readonly id: string;
  readonly unique_id: string;
  readonly reason: string;
  readonly created_at: Date;
}

/** More reports of one link say nothing new. */
const MAX_OF_LINK = 20;
const SWEEP_ROWS = 1_000;

/** Reports about links. All methods may throw StoreUnavailableError, those that write OutcomeUnknownError. */
export class Reports {
  readonly #db: Mysql;

  constructor(db: Mysql) {
    this.#db = db;
  }

  /** Keeps a report, unless there are enough of its link. */
  async add({ id, key, reason, createdAt }: Report): Promise<void> {
    await this.#db.execute(
      `INSERT INTO reports (report_id, unique_id, reason, created_at)
         SELECT ?, ?, ?, ? FROM DUAL
         WHERE (SELECT COUNT(*) FROM reports AS earlier WHERE earlier.unique_id = ?) < ${MAX_OF_LINK}`,
      [id, key, reason, createdAt, key],
    );
  }

  /**
   * Newest first.
   * @param key of the link; undefined: of all links
   * @param before undefined: from the newest on
   */
  async list({
    key,
    before,
    limit,
  }: {
    readonly key: string | undefined;
    readonly before: bigint | undefined;
    readonly limit: number;
  }): Promise<Report[]> {
    const conditions = [
      ...(key === undefined ? [] : ['unique_id = ?']),
      ...(before === undefined ? [] : ['report_id < ?']),
    ];
    const rows = await this.#db.query<ReportRow>(
      `SELECT CAST(report_id AS CHAR) AS id, unique_id, reason, created_at FROM reports
         ${conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`}
         ORDER BY report_id DESC LIMIT ?`,
      [...(key === undefined ? [] : [key]), ...(before === undefined ? [] : [before]), limit],
    );
    return rows.map(({ id, unique_id: of, reason, created_at: createdAt }) => ({
      id: BigInt(id),
      key: of,
      reason,
      createdAt,
    }));
  }

  /** Removes some of the reports from before a time. */
  async removeOlder(than: Date): Promise<void> {
    await this.#db.execute(`DELETE FROM reports WHERE created_at < ? LIMIT ${SWEEP_ROWS}`, [than]);
  }
}
