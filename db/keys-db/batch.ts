/** A claim on keys: what it covers and where each of its parts goes, fixed before anything is pushed. */
export interface Batch {
  /** Counts all claims on this keys-db without gaps. */
  readonly id: number;
  readonly kind: 'range' | 'recycled';
  /** The range of ids, both included; for kind `recycled` the smallest and largest of `ids`. */
  readonly firstId: number;
  readonly lastId: number;
  /** Only for kind `recycled`. */
  readonly ids?: readonly number[];
  /** The reign that claimed it. */
  readonly epoch: number;
  /** In order: key k belongs to part `placementOf(k, parts.length)`. */
  readonly parts: readonly BatchPart[];
}

export interface BatchPart {
  readonly pool: string;
  readonly seq: number;
  /** Set by `markDelivered` once the keys-db has recorded it. */
  isDelivered: boolean;
}

/** A key and its row. */
export interface IssuedKey {
  readonly id: number;
  readonly key: string;
}

/** The deliveries are one bit each of a BIGINT UNSIGNED. */
export const MAX_PARTS = 63;

/** Ids that one statement lists. */
export const IDS_PER_STATEMENT = 5_000;

/** The bits of the parts at these indexes. */
export function bitsOf(indexes: Iterable<number>): bigint {
  let bits = 0n;
  for (const index of indexes) bits |= 1n << BigInt(index);
  return bits;
}

/** A row of `batches`; every number that could pass 2^53 as text. */
export interface BatchRow {
  id: number;
  kind: 'range' | 'recycled';
  first_id: number | null;
  last_id: number | null;
  ids: string | null;
  epoch: number;
  parts: string;
  delivered: string;
}

export const BATCH_COLUMNS =
  'id, kind, first_id, last_id, ids, epoch, parts, CAST(delivered AS CHAR) AS delivered';

export function batchOf(row: BatchRow): Batch {
  const delivered = BigInt(row.delivered);
  const parts = (JSON.parse(row.parts) as { pool: string; seq: number }[]).map(({ pool, seq }, index) => ({
    pool,
    seq,
    isDelivered: (delivered & (1n << BigInt(index))) !== 0n,
  }));
  const ids = row.ids === null ? undefined : (JSON.parse(row.ids) as number[]);
  return {
    id: row.id,
    kind: row.kind,
    firstId: row.first_id ?? ids?.[0] ?? 0,
    lastId: row.last_id ?? ids?.at(-1) ?? 0,
    ...(ids && { ids }),
    epoch: row.epoch,
    parts,
  };
}
