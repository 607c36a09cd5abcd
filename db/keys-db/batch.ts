import { parseJson } from '../../runtime/json.ts';
import { parseArray, parseCount, parseFields, parseText, type Source } from '../../runtime/stored-values.ts';

/** A claim on keys. Its keys and the pool of each part are fixed before any key is pushed. */
export interface Batch {
  /** Counts the claims on this keys-db, without gaps. */
  readonly id: number;
  readonly kind: 'range' | 'recycled';
  /** The range of ids, both included. For kind `recycled`, the smallest and largest of `ids`. */
  readonly firstId: number;
  readonly lastId: number;
  /** Only for kind `recycled`. */
  readonly ids?: readonly number[];
  /** Of the reign that claimed it. */
  readonly epoch: number;
  /** Key k belongs to the part at index `placementOf(k, parts.length)`. */
  readonly parts: readonly BatchPart[];
}

export interface BatchPart {
  readonly pool: string;
  readonly seq: number;
  /** Set by `markDelivered` when the keys-db has recorded the delivery. */
  isDelivered: boolean;
}

/** A key and its id. */
export interface IssuedKey {
  readonly id: number;
  readonly key: string;
}

/** Each delivery is one bit of a BIGINT UNSIGNED. */
export const MAX_PARTS = 63;

/** The most ids that one statement lists. */
export const IDS_PER_STATEMENT = 5_000;

/** The mask with one bit for each part at these indexes. */
export function bitsOf(indexes: Iterable<number>): bigint {
  let bits = 0n;
  for (const index of indexes) bits |= 1n << BigInt(index);
  return bits;
}

/** A row of `batches`. Numbers that can exceed 2^53 are text. */
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

const POOL_NAME = /^[\x21-\x7e]{1,64}$/;

/** The column `parts` of `batches`. @throws ImpossibleValueError */
export function partsOf(json: string, source: Source): { pool: string; seq: number }[] {
  return parseArray(parseJson(json), source).map((part) => {
    const { pool, seq } = parseFields(part, source);
    return { pool: parseText(pool, POOL_NAME, source), seq: parseCount(seq, source) };
  });
}

/** The column `ids` of `batches`. @throws ImpossibleValueError */
export function idsOf(json: string | null, source: Source): number[] | undefined {
  return json === null ? undefined : parseArray(parseJson(json), source).map((id) => parseCount(id, source));
}

/** @throws ImpossibleValueError when the row has what no claim writes */
export function batchOf(row: BatchRow, store: string): Batch {
  const sourceOf = (column: keyof BatchRow): Source => ({ store, what: `${column} of batch ${row.id}` });
  const count = (column: 'id' | 'first_id' | 'last_id' | 'epoch'): number =>
    parseCount(row[column], sourceOf(column));
  const delivered = BigInt(row.delivered);
  const parts = partsOf(row.parts, sourceOf('parts')).map(({ pool, seq }, index) => ({
    pool,
    seq,
    isDelivered: (delivered & (1n << BigInt(index))) !== 0n,
  }));
  const ids = idsOf(row.ids, sourceOf('ids'));
  return {
    id: count('id'),
    kind: row.kind,
    firstId: row.first_id === null ? (ids?.[0] ?? 0) : count('first_id'),
    lastId: row.last_id === null ? (ids?.at(-1) ?? 0) : count('last_id'),
    ...(ids && { ids }),
    epoch: count('epoch'),
    parts,
  };
}
