import type { Mysql } from '../mysql/mysql.ts';

/**
 * - `uploading`: the file is not complete.
 * - `waiting`: a mapper will carry it out.
 * - `running`: one does, or did until it died.
 * - `done`, `failed`: it is over.
 */
export type JobState = 'uploading' | 'waiting' | 'running' | 'done' | 'failed';

/** An import of a file that was uploaded. */
export interface ImportJob {
  /** 32 hex digits. */
  readonly id: string;
  readonly userId: bigint;
  readonly createdAt: Date;
  /** JSON. */
  readonly options: string;
  /** Of the file. 0: it is still uploaded. */
  readonly bytes: number;
  readonly state: JobState;
  /** JSON; null: nothing is known yet. */
  readonly progress: string | null;
  /** Why it failed, or waits. */
  readonly reason: string | null;
  readonly finishedAt: Date | null;
}

/** Who carries out a job. */
export interface Holding {
  readonly id: string;
  readonly holder: string;
}

interface JobRow {
  readonly job_id: Buffer;
  readonly user_id: string;
  readonly created_at: Date;
  readonly options: string;
  readonly bytes: number | string;
  readonly state: JobState;
  readonly progress: string | null;
  readonly reason: string | null;
  readonly finished_at: Date | null;
}

const COLUMNS = `job_id, CAST(user_id AS CHAR) AS user_id, created_at, options, bytes, state, progress, reason,
  finished_at`;
/** A holder that is slower than this is given up. It may still work: each of its steps may happen twice. */
const HELD_SECONDS = 30;
/** An import of an account that is gone would make links for nobody. One of a disabled account waits. */
const HAS_ACTIVE_USER = `EXISTS (SELECT 1 FROM users WHERE users.user_id = import_jobs.user_id
  AND deletion_asked_at IS NULL AND disabled_at IS NULL)`;
/** An attempt that waits for a store, or stops with its process, does not count. */
const MAX_ATTEMPTS = 3;
const MAX_REASON_CHARACTERS = 1_000;
/** How long an uploaded file of links is kept. */
export const IMPORTS_KEPT_MS = 7 * 86_400_000;
/** Of a file. The last one is shorter. */
export const PIECE_BYTES = 2 ** 20;
/** Removed by one statement. */
const PIECES_AT_ONCE = 8;

/**
 * Uploaded files of links. All methods may throw StoreUnavailableError, those that write OutcomeUnknownError.
 */
export class ImportJobs {
  readonly #db: Mysql;

  constructor(db: Mysql) {
    this.#db = db;
  }

  async create({
    id,
    userId,
    createdAt,
    options,
  }: Pick<ImportJob, 'id' | 'userId' | 'createdAt' | 'options'>): Promise<void> {
    await this.#db.execute(
      "INSERT INTO import_jobs (job_id, user_id, created_at, options, state) VALUES (?, ?, ?, ?, 'uploading')",
      [toBytes(id), userId, createdAt, options],
    );
  }

  /** The upload broke off: the job is over, and its file is removed. */
  async abandon(id: string, reason: string): Promise<void> {
    await this.#db.execute(
      "UPDATE import_jobs SET state = 'failed', reason = ?, finished_at = UTC_TIMESTAMP(3) WHERE job_id = ? AND state = 'uploading'",
      [reason, toBytes(id)],
    );
    while (await this.#removePieces(toBytes(id)));
  }

  /** @returns false when the upload is over: it took too long, or its account is gone */
  async addPiece(id: string, piece: number, bytes: Buffer): Promise<boolean> {
    // The lock keeps the job until the piece is there. So nothing is left when the job is removed.
    const { affectedRows } = await this.#db.execute(
      `INSERT INTO import_pieces (job_id, piece, bytes)
       SELECT job_id, ?, ? FROM import_jobs WHERE job_id = ? AND state = 'uploading' LOCK IN SHARE MODE`,
      [piece, bytes, toBytes(id)],
    );
    return affectedRows === 1;
  }

  /** The upload is complete: a mapper may begin. @returns false when the upload is over, see `addPiece` */
  async finishUpload(id: string, bytes: number): Promise<boolean> {
    const { affectedRows } = await this.#db.execute(
      "UPDATE import_jobs SET bytes = ?, state = 'waiting' WHERE job_id = ? AND state = 'uploading'",
      [bytes, toBytes(id)],
    );
    return affectedRows === 1;
  }

  /** How much is kept of a user, of unfinished files what has come of them, and since when. */
  async sumKept(userId: bigint): Promise<{ readonly bytes: number; readonly oldest: Date | null }> {
    const [row] = await this.#db.queryArrays<[bytes: string, oldest: Date | null]>(
      `SELECT CAST(COALESCE(SUM(IF(bytes > 0, bytes, ${PIECE_BYTES} *
           (SELECT COUNT(*) FROM import_pieces WHERE import_pieces.job_id = import_jobs.job_id))), 0) AS CHAR),
         MIN(created_at)
       FROM import_jobs WHERE user_id = ?`,
      [userId],
    );
    return { bytes: Number(row?.[0] ?? 0), oldest: row?.[1] ?? null };
  }

  /** Undefined: there is no such job, or it is over a week old. */
  async find(id: string): Promise<ImportJob | undefined> {
    const [row] = await this.#db.query<JobRow>(`SELECT ${COLUMNS} FROM import_jobs WHERE job_id = ?`, [
      toBytes(id),
    ]);
    return row && toJob(row);
  }

  /** How many jobs of a user are not over. */
  async countOpen(userId: bigint): Promise<number> {
    const [row] = await this.#db.queryArrays<[number]>(
      "SELECT COUNT(*) FROM import_jobs WHERE user_id = ? AND state NOT IN ('done', 'failed')",
      [userId],
    );
    return row?.[0] ?? 0;
  }

  async readPiece(id: string, piece: number): Promise<Buffer | undefined> {
    const [row] = await this.#db.queryArrays<[Buffer]>(
      'SELECT bytes FROM import_pieces WHERE job_id = ? AND piece = ?',
      [toBytes(id), piece],
    );
    return row?.[0];
  }

  /**
   * Takes the oldest job that nobody carries out. A job that was taken too often without going on has failed:
   * it may be what the processes died of.
   * @returns its id
   */
  async claim(holder: string): Promise<string | undefined> {
    const free = `state IN ('waiting', 'running')
      AND (held_until IS NULL OR held_until < UTC_TIMESTAMP(3)) AND ${HAS_ACTIVE_USER}`;
    const [found] = await this.#db.queryArrays<[Buffer, number]>(
      `SELECT job_id, attempts FROM import_jobs WHERE ${free} ORDER BY created_at LIMIT 1`,
    );
    if (found === undefined) return undefined;
    if (found[1] >= MAX_ATTEMPTS) {
      await this.#db.execute(
        `UPDATE import_jobs SET state = 'failed', reason = ?, finished_at = UTC_TIMESTAMP(3), held_until = NULL
         WHERE job_id = ? AND ${free}`,
        [`${MAX_ATTEMPTS} processes began it, and ended before more of it was done`, found[0]],
      );
      return undefined;
    }
    const { affectedRows } = await this.#db.execute(
      `UPDATE import_jobs SET state = 'running', holder = ?, attempts = attempts + 1,
         held_until = UTC_TIMESTAMP(3) + INTERVAL ${HELD_SECONDS} SECOND
       WHERE job_id = ? AND ${free}`,
      [holder, found[0]],
    );
    return affectedRows === 1 ? found[0].toString('hex') : undefined;
  }

  /**
   * The holder goes on.
   * @param done how many records are done for good
   * @returns false when another one has taken the job, or its user may not go on
   */
  async keep({ id, holder }: Holding, progress: string, done: number): Promise<boolean> {
    // MariaDB assigns from left to right.
    const { affectedRows } = await this.#db.execute(
      `UPDATE import_jobs SET progress = ?, reason = NULL,
         attempts = IF(? > furthest, 1, attempts), furthest = GREATEST(furthest, ?),
         held_until = UTC_TIMESTAMP(3) + INTERVAL ${HELD_SECONDS} SECOND
       WHERE job_id = ? AND holder = ? AND state = 'running' AND ${HAS_ACTIVE_USER}`,
      [progress, done, done, toBytes(id), holder],
    );
    return affectedRows === 1;
  }

  /**
   * Gives a job back, so that another process goes on. This was no attempt that counts.
   * @param seconds it waits until then
   */
  async release({ id, holder }: Holding, reason: string | null, seconds: number): Promise<void> {
    await this.#db.execute(
      `UPDATE import_jobs SET reason = ?, holder = NULL, attempts = GREATEST(attempts, 1) - 1,
         held_until = UTC_TIMESTAMP(3) + INTERVAL ? SECOND
       WHERE job_id = ? AND holder = ? AND state = 'running'`,
      [reason?.slice(0, MAX_REASON_CHARACTERS) ?? null, seconds, toBytes(id), holder],
    );
  }

  async end(
    { id, holder }: Holding,
    {
      state,
      progress,
      reason,
    }: { readonly state: 'done' | 'failed'; readonly progress: string; readonly reason: string | null },
  ): Promise<void> {
    await this.#db.execute(
      `UPDATE import_jobs SET state = ?, progress = ?, reason = ?, finished_at = UTC_TIMESTAMP(3), held_until = NULL
       WHERE job_id = ? AND holder = ? AND state = 'running'`,
      [state, progress, reason?.slice(0, MAX_REASON_CHARACTERS) ?? null, toBytes(id), holder],
    );
  }

  /**
   * Removes a job with its file, some pieces at a time: an old one, one whose upload has ended
   * half-way, or one whose account is gone.
   * @param than jobs from before this time
   * @param uploadsThan uploads from before this time
   * @returns whether there may be more to remove
   */
  async removeOlder(than: Date, uploadsThan: Date): Promise<boolean> {
    const [old] = await this.#db.queryArrays<[Buffer]>(
      `SELECT job_id FROM import_jobs
       WHERE created_at < ? OR (bytes = 0 AND (created_at < ? OR state = 'failed'))
         OR NOT EXISTS (SELECT 1 FROM users WHERE users.user_id = import_jobs.user_id
           AND deletion_asked_at IS NULL)
       LIMIT 1`,
      [than, uploadsThan],
    );
    if (old === undefined) return false;
    // No piece comes behind the last one that is removed.
    await this.#db.execute(
      "UPDATE import_jobs SET state = 'failed' WHERE job_id = ? AND state = 'uploading'",
      [old[0]],
    );
    if (!(await this.#removePieces(old[0])))
      await this.#db.execute('DELETE FROM import_jobs WHERE job_id = ?', [old[0]]);
    return true;
  }

  /** @returns whether there may be more */
  async #removePieces(job: Buffer): Promise<boolean> {
    const { affectedRows } = await this.#db.execute(
      `DELETE FROM import_pieces WHERE job_id = ? LIMIT ${PIECES_AT_ONCE}`,
      [job],
    );
    return affectedRows === PIECES_AT_ONCE;
  }
}

function toBytes(id: string): Buffer {
  return Buffer.from(id, 'hex');
}

function toJob(row: JobRow): ImportJob {
  return {
    id: row.job_id.toString('hex'),
    userId: BigInt(row.user_id),
    createdAt: row.created_at,
    options: row.options,
    bytes: Number(row.bytes),
    state: row.state,
    progress: row.progress,
    reason: row.reason,
    finishedAt: row.finished_at,
  };
}
