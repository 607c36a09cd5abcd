import { chunksOf } from '../mysql/chunks.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { parseCount } from '../../runtime/stored-values.ts';
import {
  BATCH_COLUMNS,
  batchOf,
  bitsOf,
  IDS_PER_STATEMENT,
  type Batch,
  type BatchRow,
  type IssuedKey,
} from './batch.ts';
import { refuseIfFenced } from './refuse-if-fenced.ts';
import { repeatUntilKnown } from './repeat-until-known.ts';

const READ_TIMEOUT_MS = 10_000;
/** One statement marks the whole batch: 50,000 rows took 0.2 s on an idle server. */
const MARK_TIMEOUT_MS = 30_000;

/**
 * Batches not yet completed, in order of their claim. A batch whose parts are all delivered still needs
 * `markDelivered(batch, [])`.
 */
export async function pendingBatches(db: Mysql): Promise<Batch[]> {
  const rows = await db.query<BatchRow>(
    `SELECT ${BATCH_COLUMNS} FROM batches WHERE completed_at IS NULL ORDER BY id`,
  );
  return rows.map((row) => batchOf(row, db.name));
}

/** The keys of a batch in order of id. Reads the rows, because ids have gaps. */
export async function keysOf(db: Mysql, batch: Batch): Promise<IssuedKey[]> {
  return batch.kind === 'range'
    ? keysBetween(db, batch.firstId, batch.lastId)
    : keysByIds(db, batch.ids ?? []);
}

/**
 * The texts of {@link keysOf}. Every key is read by this once, when it is delivered, so the ids that nobody
 * needs there are left out.
 */
export async function textsOf(db: Mysql, batch: Batch): Promise<string[]> {
  if (batch.kind !== 'range') return (await keysByIds(db, batch.ids ?? [])).map(({ key }) => key);
  const sql = 'SELECT unique_id FROM `keys` WHERE id BETWEEN ? AND ? ORDER BY id';
  const range = [batch.firstId, batch.lastId];
  const rows = await db.queryArrays<[string]>(sql, range, { timeoutMs: READ_TIMEOUT_MS });
  return rows.map(([key]) => key);
}

/** The keys of a range of ids, both ends included, in order of id. Gaps have no row. */
export async function keysBetween(db: Mysql, firstId: number, lastId: number): Promise<IssuedKey[]> {
  const sql = 'SELECT id, unique_id FROM `keys` WHERE id BETWEEN ? AND ? ORDER BY id';
  return toKeys(
    await db.queryArrays<[number, string]>(sql, [firstId, lastId], { timeoutMs: READ_TIMEOUT_MS }),
  );
}

async function keysByIds(db: Mysql, ids: readonly number[]): Promise<IssuedKey[]> {
  const keys: IssuedKey[] = [];
  for (const some of chunksOf(ids, IDS_PER_STATEMENT)) {
    const sql = 'SELECT id, unique_id FROM `keys` WHERE id IN (?) ORDER BY id';
    keys.push(...toKeys(await db.queryArrays<[number, string]>(sql, [some])));
  }
  return keys;
}

function toKeys(rows: readonly (readonly [number, string])[]): IssuedKey[] {
  return rows.map(([id, key]) => ({ id, key }));
}

/**
 * Records that these parts have been delivered, and sets `isDelivered` on them. When no other part is left,
 * completes the batch: its keys become `used`, and its ids are no longer suspects. Idempotent. Not bound to
 * an epoch, because it is true in every reign.
 */
export async function markDelivered(db: Mysql, batch: Batch, partIndexes: readonly number[]): Promise<void> {
  const left = batch.parts.filter((part, index) => !part.isDelivered && !partIndexes.includes(index));
  if (left.length > 0) {
    await repeatUntilKnown(() =>
      db.execute('UPDATE batches SET delivered = delivered | ? WHERE id = ?', [
        bitsOf(partIndexes),
        batch.id,
      ]),
    );
    setDelivered(batch, partIndexes);
    // Two calls at the same time each see the part of the other as left. The later one completes the batch.
    if (batch.parts.some(({ isDelivered }) => !isDelivered)) return;
  }
  const all = [...batch.parts.keys()];
  await markKeys(db, batch);
  await repeatUntilKnown(() =>
    db.execute(
      'UPDATE batches SET delivered = ?, completed_at = COALESCE(completed_at, UTC_TIMESTAMP(3)) WHERE id = ?',
      [bitsOf(all), batch.id],
    ),
  );
  setDelivered(batch, all);
}

function setDelivered(batch: Batch, partIndexes: readonly number[]): void {
  for (const index of partIndexes) {
    const part = batch.parts[index];
    if (part) part.isDelivered = true;
  }
}

/**
 * Runs before the batch is completed. After a crash between the two, the batch is still pending, and this
 * runs again.
 */
async function markKeys(db: Mysql, batch: Batch): Promise<void> {
  const options = { timeoutMs: MARK_TIMEOUT_MS };
  if (batch.kind === 'range') {
    const sql = "UPDATE `keys` SET status = 'used' WHERE id BETWEEN ? AND ?";
    await repeatUntilKnown(() => db.execute(sql, [batch.firstId, batch.lastId], options));
    return;
  }
  for (const some of chunksOf(batch.ids ?? [], IDS_PER_STATEMENT)) {
    await repeatUntilKnown(() => db.execute('DELETE FROM suspects WHERE id IN (?)', [some], options));
  }
}

/** A range of deliveries that a pool had acknowledged and no longer has. */
export interface Loss {
  readonly pool: string;
  readonly fromSeq: number;
  readonly toSeq: number;
  /** Of the Redis data that lacks them; empty if that Redis is no longer configured. */
  readonly incarnation: string;
}

/**
 * Records a loss. Call it before the pool's sequence number is moved past the loss. Idempotent.
 * @throws FencedError
 */
export async function recordLoss(
  db: Mysql,
  { epoch, ...loss }: Loss & { readonly epoch: number },
): Promise<void> {
  const { affectedRows } = await repeatUntilKnown(() =>
    db.execute(
      `INSERT INTO losses (pool, from_seq, to_seq, pool_incarnation, epoch, recorded_at)
       SELECT ?, ?, ?, ?, epoch, UTC_TIMESTAMP(3) FROM ownership WHERE id = 1 AND epoch = ? FOR UPDATE
       ON DUPLICATE KEY UPDATE losses.epoch = losses.epoch`,
      [loss.pool, loss.fromSeq, loss.toSeq, loss.incarnation, epoch],
    ),
  );
  if (affectedRows === 0) await refuseIfFenced(db, epoch);
}

/** All losses ever recorded, oldest first. */
export async function readLosses(db: Mysql): Promise<Loss[]> {
  const rows = await db.query<{ pool: string; from_seq: number; to_seq: number; pool_incarnation: string }>(
    'SELECT pool, from_seq, to_seq, pool_incarnation FROM losses ORDER BY recorded_at, pool, from_seq',
  );
  return rows.map((row) => ({
    pool: row.pool,
    fromSeq: parseCount(row.from_seq, { store: db.name, what: 'from_seq of a loss' }),
    toSeq: parseCount(row.to_seq, { store: db.name, what: 'to_seq of a loss' }),
    incarnation: row.pool_incarnation,
  }));
}
