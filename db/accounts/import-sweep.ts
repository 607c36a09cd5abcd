import type { Mysql } from '../mysql/mysql.ts';

/** What of imports is over. Each is the time before which a job was created. */
export interface ImportBounds {
  /** Nothing of it is kept. */
  readonly jobs: Date;
  /** Its file goes, and with it its report. It has failed if it did not end until then. */
  readonly files: Date;
  /** Its upload takes too long. */
  readonly uploads: Date;
}

/** Removed by one statement. */
const PIECES_AT_ONCE = 8;

/**
 * Removes some pieces of one file that is over, or the row of a job that is: an old one, one that its user
 * has removed, one whose upload has ended half-way, or one whose account is gone.
 * @returns whether there may be more to remove
 * @throws StoreUnavailableError, OutcomeUnknownError: repeat it later
 */
export async function sweepImportJobs(db: Mysql, { jobs, files, uploads }: ImportBounds): Promise<boolean> {
  const [gone] = await db.queryArrays<[Buffer]>(
    `SELECT job_id FROM import_jobs
     WHERE removed_at IS NOT NULL OR created_at < ? OR (bytes = 0 AND (created_at < ? OR state = 'failed'))
       OR NOT EXISTS (SELECT 1 FROM users WHERE users.user_id = import_jobs.user_id
         AND deletion_asked_at IS NULL)
     LIMIT 1`,
    [jobs, uploads],
  );
  if (gone !== undefined) {
    // No piece comes behind the last one that is removed.
    await db.execute("UPDATE import_jobs SET state = 'failed' WHERE job_id = ? AND state = 'uploading'", [
      gone[0],
    ]);
    if (!(await removePieces(db, gone[0])))
      await db.execute('DELETE FROM import_jobs WHERE job_id = ?', [gone[0]]);
    return true;
  }
  const [old] = await db.queryArrays<[Buffer]>(
    'SELECT job_id FROM import_jobs WHERE file_removed_at IS NULL AND created_at < ? LIMIT 1',
    [files],
  );
  if (old === undefined) return false;
  // Whoever carries it out hears of it when he says that he goes on.
  await db.execute(
    `UPDATE import_jobs SET state = 'failed', reason = ?, finished_at = UTC_TIMESTAMP(3), held_until = NULL
     WHERE job_id = ? AND state NOT IN ('done', 'failed')`,
    ['it did not end while its file was kept', old[0]],
  );
  if (!(await removePieces(db, old[0])))
    await db.execute('UPDATE import_jobs SET file_removed_at = UTC_TIMESTAMP(3) WHERE job_id = ?', [old[0]]);
  return true;
}

/** Removes some pieces of a file. @returns whether there may be more */
export async function removePieces(db: Mysql, job: Buffer): Promise<boolean> {
  const { affectedRows } = await db.execute(
    `DELETE FROM import_pieces WHERE job_id = ? LIMIT ${PIECES_AT_ONCE}`,
    [job],
  );
  return affectedRows === PIECES_AT_ONCE;
}
