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
  /** Since then there is no report. null: its file is kept. */
  readonly fileRemovedAt: Date | null;
}

export interface JobRow {
  readonly job_id: Buffer;
  readonly user_id: string;
  readonly created_at: Date;
  readonly options: string;
  readonly bytes: number | string;
  readonly state: JobState;
  readonly progress: string | null;
  readonly reason: string | null;
  readonly finished_at: Date | null;
  readonly file_removed_at: Date | null;
}

/** The columns of a {@link JobRow}. */
export const JOB_COLUMNS = `job_id, CAST(user_id AS CHAR) AS user_id, created_at, options, bytes, state, progress, reason,
  finished_at, file_removed_at`;

/** An id as it is stored. */
export function toBytes(id: string): Buffer {
  return Buffer.from(id, 'hex');
}

export function toJob(row: JobRow): ImportJob {
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
    fileRemovedAt: row.file_removed_at,
  };
}
