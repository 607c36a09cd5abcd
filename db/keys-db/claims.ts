import type { SqlValue } from '../mysql/driver.ts';
import type { Mysql } from '../mysql/mysql.ts';
import {
  DuplicateRowError,
  FencedError,
  fenced,
  OutcomeUnknownError,
  StoreRefusedError,
} from '../store-errors.ts';
import { BATCH_COLUMNS, MAX_PARTS, batchOf, type Batch, type BatchRow } from './batch.ts';
import { readLog, type LogState } from './claim-log.ts';
import { repeatUntilKnown } from './repeat-until-known.ts';

/** The part of a claim for one pool, under the next sequence number of that pool. */
export interface PartRequest {
  readonly pool: string;
  readonly seq: number;
}

/**
 * The reign that claims. The claim is refused if `after` is given and is not the number of the newest batch.
 */
interface Claimant {
  readonly epoch: number;
  readonly after?: number | undefined;
}

interface Claim {
  readonly id: number;
  readonly kind: 'range' | 'recycled';
  readonly firstId: number | null;
  readonly lastId: number | null;
  readonly ids: readonly number[] | null;
  readonly epoch: number;
  readonly parts: string;
  readonly claimedTo: number;
  readonly seqs: string;
}

const MAX_RECYCLED_IDS = 50_000;

/**
 * Claims the next `count` unused ids (fewer at the end of the generated ids). Gaps count as ids. One claim
 * may be in flight at a time.
 * @returns undefined when no unused id is left
 * @throws FencedError when the epoch is over, or the log was restored to an earlier state than `after`
 * @throws OutcomeUnknownError when no answer came, or the log holds a batch later than `after`: read the
 * pending batches
 */
export async function claimRange(
  db: Mysql,
  request: Claimant & { readonly count: number; readonly parts: readonly PartRequest[] },
): Promise<Batch | undefined> {
  const { epoch, count, parts } = request;
  const state = await readLog(db);
  refuseIfOutdated(db, request, state);
  const firstId = state.claimedTo + 1;
  const lastId = Math.min(state.claimedTo + count, state.generatedTo);
  if (lastId < firstId) return undefined;
  const batch = await commitAny(db, {
    kind: 'range',
    firstId,
    lastId,
    ids: null,
    claimedTo: lastId,
    epoch,
    ...nextEntry(db, state, parts),
  });
  await showClaimMark(db, lastId);
  return batch;
}

/**
 * Copies the claim mark into the row that operators look at. No code reads the copy, and the next claim
 * repairs a failure.
 */
async function showClaimMark(db: Mysql, claimedTo: number): Promise<void> {
  const sql = 'UPDATE ownership SET claimed_to = GREATEST(claimed_to, ?) WHERE id = 1';
  await db.execute(sql, [claimedTo], { timeoutMs: 1_000 }).catch(() => undefined);
}

/** Keys to claim again. */
export interface RecycledClaim extends Claimant {
  readonly ids: readonly number[];
  readonly parts: readonly PartRequest[];
  /** The version of the write-offs by which these ids were judged: see `readWriteOffs`. */
  readonly version?: number;
}

/**
 * Claims keys again that were issued before and are in no store. Refuses ids above the claim mark.
 * @returns undefined when a write-off was recorded after `version`: judge the ids again
 * @throws like {@link claimRange}
 */
export async function claimRecycled(db: Mysql, request: RecycledClaim): Promise<Batch | undefined> {
  const { epoch, ids, parts, version } = request;
  const state = await readLog(db);
  refuseIfOutdated(db, request, state);
  const sorted = [...new Set(ids)].sort((a, b) => a - b);
  if (sorted.length === 0 || sorted.length > MAX_RECYCLED_IDS) {
    throw new StoreRefusedError(
      db.name,
      `recycling ${sorted.length} ids at once, must be 1 to ${MAX_RECYCLED_IDS}`,
    );
  }
  if ((sorted.at(-1) ?? 0) > state.claimedTo)
    throw new StoreRefusedError(db.name, 'a key never claimed cannot be recycled');
  const { claimedTo } = state;
  const claim: Claim = {
    kind: 'recycled',
    firstId: null,
    lastId: null,
    ids: sorted,
    claimedTo,
    epoch,
    ...nextEntry(db, state, parts),
  };
  return commit(db, claim, version);
}

/**
 * The check of the epoch only gives a clear error early: the condition inside the statement enforces it.
 *
 * A batch later than `after` is an earlier claim of the same reign, which timed out and was committed later.
 * The claimant must adopt it before it claims again. It adopts batches in order, so it would otherwise skip
 * that batch for the rest of the reign. A batch that commits between this check and the claim uses the
 * claim's number, so that the claim fails as a duplicate.
 */
function refuseIfOutdated(db: Mysql, { epoch, after }: Claimant, { epoch: now, lastBatch }: LogState): void {
  if (now !== epoch) throw fenced(db, epoch);
  if (after === undefined || lastBatch === after) return;
  if (lastBatch > after) {
    throw new OutcomeUnknownError(
      db.name,
      `the log of claims ends at ${lastBatch}, the claimant has seen ${after}: read the pending batches`,
    );
  }
  const reason = `the log of claims ends at ${lastBatch}, but reached ${after} before (restored from a backup?)`;
  throw new FencedError(db.name, reason);
}

function nextEntry(
  db: Mysql,
  state: LogState,
  parts: readonly PartRequest[],
): Pick<Claim, 'id' | 'parts' | 'seqs'> {
  if (parts.length === 0 || parts.length > MAX_PARTS) {
    throw new StoreRefusedError(db.name, `a batch of ${parts.length} parts, must be 1 to ${MAX_PARTS}`);
  }
  const seqs: Record<string, number> = { ...state.seqs };
  for (const { pool, seq } of parts) {
    if (seq <= (seqs[pool] ?? 0)) {
      throw new StoreRefusedError(
        db.name,
        `delivery ${seq} to ${pool} has been assigned before (last: ${seqs[pool]})`,
      );
    }
    seqs[pool] = seq;
  }
  const listed = parts.map(({ pool, seq }) => ({ pool, seq }));
  return { id: state.lastBatch + 1, parts: JSON.stringify(listed), seqs: JSON.stringify(seqs) };
}

/*
 * The lock on the ownership row enforces the epoch: without FOR UPDATE a claim at READ COMMITTED reads the
 * old epoch from its snapshot and commits after a raise (measured). The claim's id is the primary key, so a
 * claim that did not see the newest one fails as a duplicate, however late it arrives.
 */
const CLAIM = `INSERT INTO batches
    (id, kind, first_id, last_id, ids, size, epoch, parts, claimed_to, seqs, claimed_at)
  SELECT ?, ?, ?, ?, ?, ?, epoch, ?, ?, ?, UTC_TIMESTAMP(3)
    FROM ownership WHERE id = 1 AND epoch = ? AND generated_to >= ? FOR UPDATE`;
/** In a claim of recycled keys: no key was written off since they were judged. */
const CLAIM_JUDGED = CLAIM.replace(' FOR UPDATE', ' AND write_offs = ? FOR UPDATE');

/** Only a claim with a version can be refused for it. */
async function commitAny(db: Mysql, claim: Claim): Promise<Batch> {
  const batch = await commit(db, claim);
  if (batch === undefined) throw fenced(db, claim.epoch);
  return batch;
}

/** @returns undefined when the version of the write-offs is not `version` any more */
async function commit(db: Mysql, claim: Claim, version?: number): Promise<Batch | undefined> {
  const size = claim.ids?.length ?? (claim.lastId ?? 0) - (claim.firstId ?? 0) + 1;
  const ids = claim.ids && JSON.stringify(claim.ids);
  const params: SqlValue[] = [claim.id, claim.kind, claim.firstId, claim.lastId, ids, size];
  params.push(claim.parts, claim.claimedTo, claim.seqs, claim.epoch, claim.claimedTo);
  if (version !== undefined) params.push(version);
  const sql = version === undefined ? CLAIM : CLAIM_JUDGED;
  try {
    const { affectedRows } = await repeatUntilKnown(() => db.execute(sql, params));
    if (affectedRows > 0) return batchOf(rowOf(claim), db.name);
  } catch (error) {
    if (!(error instanceof DuplicateRowError)) throw error;
    return readOwn(db, claim);
  }
  // A first attempt without an answer may have been made, before a write-off refused its repetition.
  const { epoch, lastBatch } = await readLog(db);
  if (epoch !== claim.epoch || version === undefined) throw fenced(db, claim.epoch);
  return lastBatch >= claim.id ? readOwn(db, claim) : undefined;
}

function rowOf(claim: Claim): BatchRow {
  return {
    id: claim.id,
    kind: claim.kind,
    first_id: claim.firstId,
    last_id: claim.lastId,
    ids: claim.ids && JSON.stringify(claim.ids),
    epoch: claim.epoch,
    parts: claim.parts,
    delivered: '0',
  };
}

/**
 * Reads the batch with the claim's id. Returns it if it is this claim, and throws the reason if it is
 * another.
 */
async function readOwn(db: Mysql, claim: Claim): Promise<Batch> {
  const [row] = await db.query<BatchRow>(`SELECT ${BATCH_COLUMNS} FROM batches WHERE id = ?`, [claim.id]);
  if (row && row.epoch > claim.epoch) throw fenced(db, claim.epoch);
  const ids = claim.ids && JSON.stringify(claim.ids);
  if (row?.epoch === claim.epoch && row.first_id === claim.firstId && row.last_id === claim.lastId) {
    if (row.ids === ids && row.parts === claim.parts) return batchOf(row, db.name);
  }
  throw new OutcomeUnknownError(
    db.name,
    `another claim has the number ${claim.id}: read the pending batches`,
  );
}
