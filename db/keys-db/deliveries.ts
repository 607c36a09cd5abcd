import type { Mysql } from '../mysql.ts';
import { FencedError } from '../store-errors.ts';
import { BATCH_COLUMNS, batchOf, bitsOf, type Batch, type BatchRow, type IssuedKey } from './batch.ts';
import { settle } from './settle.ts';

const IDS_PER_READ = 5_000;
/** Marking is one statement over the whole batch: 50,000 rows took 0.2 s on a quiet server. */
const MARK_TIMEOUT_MS = 30_000;

/** Batches not yet completed, in order of their claim. One whose parts are all delivered still wants `markDelivered(batch, [])`. */
export async function pendingBatches(db: Mysql): Promise<Batch[]> {
  const rows = await db.query<BatchRow>(
    `SELECT ${BATCH_COLUMNS} FROM batches WHERE completed_at IS NULL ORDER BY id`,
  );
  return rows.map(batchOf);
}

/** The keys of a batch in order of id; rows are read, since ids have gaps. */
export async function keysOf(db: Mysql, batch: Batch): Promise<IssuedKey[]> {
  if (batch.kind === 'range') {
    return toKeys(
      await db.queryArrays<[number, string]>(
        'SELECT id, unique_id FROM `keys` WHERE id BETWEEN ? AND ? ORDER BY id',
        [batch.firstId, batch.lastId],
      ),
    );
  }
  return keysByIds(db, batch.ids ?? []);
}

export async function keysByIds(db: Mysql, ids: readonly number[]): Promise<IssuedKey[]> {
  const keys: IssuedKey[] = [];
  for (let at = 0; at < ids.length; at += IDS_PER_READ) {
    const some = ids.slice(at, at + IDS_PER_READ);
    const sql = 'SELECT id, unique_id FROM `keys` WHERE id IN (?) ORDER BY id';
    keys.push(...toKeys(await db.queryArrays<[number, string]>(sql, [some])));
  }
  return keys;
}

function toKeys(rows: readonly (readonly [number, string])[]): IssuedKey[] {
  return rows.map(([id, key]) => ({ id, key }));
}

/**
 * Records that these parts have been delivered, and sets `delivered` on them. When none is left it completes the batch:
 * its keys become `used`, and its ids are suspects no more. Idempotent; true whatever reign says it, so not bound to an epoch.
 */
export async function markDelivered(db: Mysql, batch: Batch, partIndexes: readonly number[]): Promise<void> {
  const delivered = new Set(partIndexes);
  batch.parts.forEach((part, index) => {
    if (part.delivered) delivered.add(index);
  });
  const complete = delivered.size === batch.parts.length;
  if (complete) await markKeys(db, batch);
  const completedAt = complete ? 'COALESCE(completed_at, UTC_TIMESTAMP(3))' : 'completed_at';
  await settle(() =>
    db.execute(`UPDATE batches SET delivered = delivered | ?, completed_at = ${completedAt} WHERE id = ?`, [
      bitsOf(delivered),
      batch.id,
    ]),
  );
  for (const index of delivered) {
    const part = batch.parts[index];
    if (part) part.delivered = true;
  }
}

/** Before the batch is completed, so that a crash in between leaves it pending and it is done again. */
async function markKeys(db: Mysql, batch: Batch): Promise<void> {
  const options = { timeoutMs: MARK_TIMEOUT_MS };
  if (batch.kind === 'range') {
    const sql = "UPDATE `keys` SET status = 'used' WHERE id BETWEEN ? AND ?";
    await settle(() => db.execute(sql, [batch.firstId, batch.lastId], options));
    return;
  }
  const ids = batch.ids ?? [];
  for (let at = 0; at < ids.length; at += IDS_PER_READ) {
    const some = ids.slice(at, at + IDS_PER_READ);
    await settle(() => db.execute('DELETE FROM suspects WHERE id IN (?)', [some], options));
  }
}

/** A range of deliveries that a pool had acknowledged and no longer has; `incarnation` is of the Redis that lost it. */
export interface Loss {
  readonly pool: string;
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly incarnation: string;
}

/** Records a loss before the pool's sequence number is moved past it. Idempotent. @throws FencedError */
export async function recordLoss(db: Mysql, epoch: number, loss: Loss): Promise<void> {
  const { affectedRows } = await settle(() =>
    db.execute(
      `INSERT INTO losses (pool, from_seq, to_seq, pool_incarnation, epoch, recorded_at)
       SELECT ?, ?, ?, ?, epoch, UTC_TIMESTAMP(3) FROM ownership WHERE id = 1 AND epoch = ? FOR UPDATE
       ON DUPLICATE KEY UPDATE losses.epoch = losses.epoch`,
      [loss.pool, loss.fromSeq, loss.toSeq, loss.incarnation, epoch],
    ),
  );
  if (affectedRows > 0) return;
  const [row] = await db.query('SELECT 1 FROM ownership WHERE id = 1 AND epoch = ?', [epoch]);
  if (!row) throw new FencedError(db.name, `epoch ${epoch} is over, another reign has begun`);
}

export async function readLosses(db: Mysql): Promise<Loss[]> {
  const rows = await db.query<{ pool: string; from_seq: number; to_seq: number; pool_incarnation: string }>(
    'SELECT pool, from_seq, to_seq, pool_incarnation FROM losses ORDER BY recorded_at, pool, from_seq',
  );
  return rows.map((row) => ({
    pool: row.pool,
    fromSeq: row.from_seq,
    toSeq: row.to_seq,
    incarnation: row.pool_incarnation,
  }));
}
