import type { Mysql } from '../mysql/mysql.ts';
import { JOB_COLUMNS, toBytes, toJob, type ImportJob, type JobRow } from './import-job.ts';
import { removePieces, sweepImportJobs, type ImportBounds } from './import-sweep.ts';

/** Who carries out a job. */
export interface Holding {
  readonly id: string;
  readonly holder: string;
}

/** Which imports are listed. */
export interface ImportList {
  readonly userId: bigint;
  /** Undefined: whether or not. */
  readonly isOver: boolean | undefined;
  /** The last job of the page before. */
  readonly before: Pick<ImportJob, 'createdAt' | 'id'> | undefined;
  readonly limit: number;
}

/** A holder that is slower than this is given up. It may still work: each of its steps may happen twice. */
const HELD_SECONDS = 30;
/** An import of an account that is gone would make links for nobody. One of a disabled account waits. */
const HAS_ACTIVE_USER = `EXISTS (SELECT 1 FROM users WHERE users.user_id = import_jobs.user_id
  AND deletion_asked_at IS NULL AND disabled_at IS NULL)`;
/** An attempt that waits for a store, or stops with its process, does not count. */
const MAX_ATTEMPTS = 3;
const MAX_REASON_CHARACTERS = 1_000;
/** How long an uploaded file of links is kept, and its report with it. */
export const IMPORT_FILES_KEPT_MS = 7 * 86_400_000;
/** Of a file. The last one is shorter. */
export const PIECE_BYTES = 2 ** 20;
const ENDED = "('done', 'failed')";

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
    while (await removePieces(this.#db, toBytes(id)));
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
       FROM import_jobs WHERE user_id = ? AND file_removed_at IS NULL`,
      [userId],
    );
    return { bytes: Number(row?.[0] ?? 0), oldest: row?.[1] ?? null };
  }

  /** Undefined: there is no such job, or it was removed. */
  async find(id: string): Promise<ImportJob | undefined> {
    const [row] = await this.#db.query<JobRow>(
      `SELECT ${JOB_COLUMNS} FROM import_jobs WHERE job_id = ? AND removed_at IS NULL`,
      [toBytes(id)],
    );
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
   * Newest first: all of a user, or those that are or are not over.
   * @param before undefined: from the newest on
   */
  async list({ userId, isOver, before, limit }: ImportList): Promise<ImportJob[]> {
    const conditions = [
      'user_id = ? AND removed_at IS NULL',
      ...(isOver === undefined ? [] : [`state ${isOver ? 'IN' : 'NOT IN'} ${ENDED}`]),
      ...(before === undefined ? [] : ['(created_at < ? OR (created_at = ? AND job_id < ?))']),
    ];
    const place = before && [before.createdAt, before.createdAt, toBytes(before.id)];
    const rows = await this.#db.query<JobRow>(
      `SELECT ${JOB_COLUMNS} FROM import_jobs WHERE ${conditions.join(' AND ')}
       ORDER BY created_at DESC, job_id DESC LIMIT ?`,
      [userId, ...(place ?? []), limit],
    );
    return rows.map(toJob);
  }

  /**
   * Takes a job that is over from the list of its user. A small file goes with it, a larger one with the next
   * sweeps.
   * @returns false when it is not over, or not there
   */
  async remove(id: string, userId: bigint): Promise<boolean> {
    const job = toBytes(id);
    const { affectedRows } = await this.#db.execute(
      `UPDATE import_jobs SET removed_at = UTC_TIMESTAMP(3)
       WHERE job_id = ? AND user_id = ? AND removed_at IS NULL AND state IN ${ENDED}`,
      [job, userId],
    );
    if (affectedRows === 0) return false;
    if (!(await removePieces(this.#db, job)))
      await this.#db.execute('DELETE FROM import_jobs WHERE job_id = ?', [job]);
    return true;
  }

  /** Some of what {@link sweepImportJobs} removes. @returns whether there may be more */
  async sweep(bounds: ImportBounds): Promise<boolean> {
    return sweepImportJobs(this.#db, bounds);
  }
}
