import { idsOf, partsOf } from '../../db/keys-db/batch.ts';
import { openMysql } from '../../db/mysql/mysql.ts';
import type { ClaimRecord } from './reigns.ts';

interface BatchRow {
  readonly id: number;
  readonly kind: 'range' | 'recycled';
  readonly first_id: number | null;
  readonly last_id: number | null;
  readonly ids: string | null;
  readonly epoch: number;
  readonly claimed_to: number;
  readonly parts: string;
}

const TIMEOUT_MS = 30_000;

/** Reads the whole log of claims of a keys-db, in the order in which it accepted them. */
export async function readClaims({ name, url }: { name: string; url: string }): Promise<ClaimRecord[]> {
  await using database = openMysql(url, { name, connections: 1 });
  const rows = await database.query<BatchRow>(
    'SELECT id, kind, first_id, last_id, ids, epoch, claimed_to, parts FROM batches ORDER BY id',
    [],
    { timeoutMs: TIMEOUT_MS },
  );
  const source = { store: name, what: 'a column of batches' };
  return rows.map((row) => ({
    id: row.id,
    kind: row.kind,
    firstId: row.first_id,
    lastId: row.last_id,
    ids: idsOf(row.ids, source) ?? null,
    epoch: row.epoch,
    claimedTo: row.claimed_to,
    parts: partsOf(row.parts, source),
  }));
}

/** The id of the last batch that was claimed. */
export async function countClaims({ name, url }: { name: string; url: string }): Promise<number> {
  await using database = openMysql(url, { name, connections: 1 });
  const [row] = await database.query<{ last: number | null }>('SELECT MAX(id) AS last FROM batches');
  return row?.last ?? 0;
}
