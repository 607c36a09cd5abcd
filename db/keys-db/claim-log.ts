import { parseJson } from '../../runtime/json.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { parseCount, parseFields } from '../../runtime/stored-values.ts';

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

/** Reads the state that a claim builds on. @throws ImpossibleValueError */
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
  const count = (value: unknown, what: string): number => parseCount(value, { store: db.name, what });
  return {
    epoch: count(row?.epoch, 'epoch of the ownership row'),
    generatedTo: count(row?.generated_to, 'generated_to'),
    lastBatch: count(row?.id, 'id of the newest batch'),
    claimedTo: count(row?.claimed_to, 'claimed_to of the newest batch'),
    seqs: row?.seqs ? parseSeqs(row.seqs, db.name) : {},
  };
}

/** The column `seqs` of `batches`: the last sequence number of each pool. */
function parseSeqs(json: string, store: string): Record<string, number> {
  const source = { store, what: 'seqs of the newest batch' };
  const entries = Object.entries(parseFields(parseJson(json), source));
  return Object.fromEntries(entries.map(([pool, seq]) => [pool, parseCount(seq, source)]));
}
