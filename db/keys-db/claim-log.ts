import type { Mysql } from '../mysql/mysql.ts';

/**
 * The newest state of the log of claims. A claim succeeds only if this is still the newest state when it
 * commits.
 */
export interface LogState {
  readonly epoch: number;
  readonly generatedTo: number;
  readonly lastBatch: number;
  readonly claimedTo: number;
  readonly seqs: Readonly<Record<string, number>>;
}

/** The end of the log of claims. */
export interface LogEnd {
  readonly lastBatch: number;
  /** The highest sequence number ever assigned to each pool. */
  readonly lastSeqs: ReadonlyMap<string, number>;
}

/** Reads the end of the log of claims. */
export async function logEnd(db: Mysql): Promise<LogEnd> {
  const { lastBatch, seqs } = await readLog(db);
  return { lastBatch, lastSeqs: new Map(Object.entries(seqs)) };
}

/** Reads the state that a claim builds on. */
export async function readLog(db: Mysql): Promise<LogState> {
  const [row] = await db.query<{
    epoch: number;
    generated_to: number;
    id: number | null;
    claimed_to: number | null;
    seqs: string | null;
  }>(
    `SELECT o.epoch, o.generated_to, b.id, b.claimed_to, b.seqs
       FROM ownership o LEFT JOIN batches b ON b.id = (SELECT MAX(id) FROM batches) WHERE o.id = 1`,
  );
  return {
    epoch: row?.epoch ?? 0,
    generatedTo: row?.generated_to ?? 0,
    lastBatch: row?.id ?? 0,
    claimedTo: row?.claimed_to ?? 0,
    // Only claims.ts writes this column.
    seqs: row?.seqs ? (JSON.parse(row.seqs) as Record<string, number>) : {},
  };
}
