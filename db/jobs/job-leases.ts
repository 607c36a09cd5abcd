import type { Mysql } from '../mysql/mysql.ts';

/** A job that one process does at a time, on one urls server. Its clock decides when a lease is over. */
export interface JobClaim {
  readonly name: string;
  /** The process: never reused, at most 96 ASCII characters. */
  readonly holder: string;
  /** Without a step for so long, another process may go on. */
  readonly leaseMs: number;
  /** From the end of one round to the begin of the next. */
  readonly everyMs: number;
}

/** How far a job has come. */
export interface JobProgress {
  /** What the last step has said; undefined: a round begins. */
  readonly position: string | undefined;
  /** When the last round ended, by the clock of the server. */
  readonly doneAt: Date | undefined;
}

const MS = 'MICROSECOND';

/**
 * Takes a job, if it is due and nobody else holds it. Times that lie in the future are of a clock that has
 * gone back since: they must not hold up the job until then.
 * @returns undefined: not now
 * @throws StoreUnavailableError, OutcomeUnknownError: ask again later
 */
export async function claimJob(db: Mysql, claim: JobClaim): Promise<JobProgress | undefined> {
  const { name, holder, leaseMs, everyMs } = claim;
  const now = 'UTC_TIMESTAMP(3)';
  await db.execute(
    `INSERT IGNORE INTO jobs (name, holder, until) VALUES (?, '', ${now} - INTERVAL 1 SECOND)`,
    [name],
  );
  const { affectedRows } = await db.execute(
    `UPDATE jobs SET holder = ?, until = ${now} + INTERVAL ? ${MS}
     WHERE name = ? AND (until <= ${now} OR until > ${now} + INTERVAL ? ${MS} OR holder = ?)
       AND (position IS NOT NULL OR done_at IS NULL OR done_at <= ${now} - INTERVAL ? ${MS}
         OR done_at > ${now})`,
    // Twice a lease: the clock may go back a little while a process holds the job.
    [holder, leaseMs * 1_000, name, leaseMs * 2_000, holder, everyMs * 1_000],
  );
  if (affectedRows === 0) return undefined;
  const [row] = await db.queryArrays<[Buffer | null, Date | null]>(
    'SELECT position, done_at FROM jobs WHERE name = ? AND holder = ?',
    [name, holder],
  );
  return row && { position: row[0]?.toString('utf8'), doneAt: row[1] ?? undefined };
}

/**
 * Writes down how far a held job has come, and holds it for longer.
 * @param position at most 1,024 bytes; undefined: the round is complete, and the job is free
 * @returns whether the job was still held. If not, another process goes on.
 */
export async function moveJob(
  db: Mysql,
  { name, holder, leaseMs }: JobClaim,
  position: string | undefined,
): Promise<boolean> {
  const { affectedRows } = await (position === undefined
    ? db.execute(
        `UPDATE jobs SET position = NULL, done_at = UTC_TIMESTAMP(3), until = UTC_TIMESTAMP(3)
         WHERE name = ? AND holder = ?`,
        [name, holder],
      )
    : db.execute(
        `UPDATE jobs SET position = ?, until = UTC_TIMESTAMP(3) + INTERVAL ? ${MS}
         WHERE name = ? AND holder = ?`,
        [Buffer.from(position), leaseMs * 1_000, name, holder],
      ));
  return affectedRows > 0;
}

/** Lets another process go on at once. The job keeps its position. */
export async function releaseJob(db: Mysql, { name, holder }: JobClaim): Promise<void> {
  await db.execute('UPDATE jobs SET until = UTC_TIMESTAMP(3) WHERE name = ? AND holder = ?', [name, holder]);
}
