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
  const source = sourceIn(name);
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

/** The keys that were recycled since this moment, by the clock of the keys-db. */
export async function readRecycled(
  { name, url }: { name: string; url: string },
  since: Date,
): Promise<string[]> {
  await using database = openMysql(url, { name, connections: 1 });
  const batches = await database.query<{ ids: string }>(
    "SELECT ids FROM batches WHERE kind = 'recycled' AND claimed_at > ?",
    [since],
    { timeoutMs: TIMEOUT_MS },
  );
  const ids = batches.flatMap((batch) => idsOf(batch.ids, sourceIn(name)) ?? []);
  if (ids.length === 0) return [];
  const sql = 'SELECT unique_id FROM `keys` WHERE id IN (?)';
  const rows = await database.queryArrays<[string]>(sql, [ids], { timeoutMs: TIMEOUT_MS });
  return rows.map(([key]) => key);
}

function sourceIn(store: string): { store: string; what: string } {
  return { store, what: 'a column of batches' };
}
