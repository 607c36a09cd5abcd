import { HOUR_MS, type LinkClicks } from '../../db/clicks/click-flush.ts';
import { Sketch } from '../../db/clicks/sketch.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import type { Mysql } from '../../db/mysql/mysql.ts';

/** Full hours since 1970. */
export function hourAt(time: string): number {
  return Math.floor(Date.parse(time) / HOUR_MS);
}

/** Full days since 1970. */
export function dayAt(date: string): number {
  return hourAt(date) / 24;
}

/** A sketch of these visitors. Each is a small number, and counts once. */
export function sketchOf(...visitors: number[]): Sketch {
  const sketch = new Sketch();
  for (const visitor of visitors) sketch.add(Math.imul(visitor, 0x9e3779b9), Math.imul(visitor, 0x85ebca6b));
  return sketch;
}

/** What was counted for a link: `humans` clicks in one hour and nothing else, unless it is given. */
export function clicksOf(
  key: string,
  {
    at = '2026-11-23T10:00Z',
    humans = 1,
    ...rest
  }: { at?: string; humans?: number } & Partial<LinkClicks> = {},
): LinkClicks {
  return { key, hours: [{ hour: hourAt(at), humans, bots: 0 }], values: [], visitors: [], ...rest };
}

/** Makes all tables of clicks empty: that is faster than a new database. */
export async function clearClicks(sql: Mysql): Promise<void> {
  const tables = await sql.queryArrays<[string]>(
    `SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()
     AND (table_name LIKE 'click%' OR table_name LIKE 'owner\\_%' OR table_name IN ('urls', 'owned', 'jobs', 'orphans'))`,
  );
  for (const [table] of tables) await sql.execute(`DELETE FROM ${table}`);
}

/** Binds a link with an owner, as if it had been made by him. Null: by nobody. */
export async function bindOwned(sql: Mysql, key: string, ownerId: bigint | null): Promise<void> {
  await sql.execute(
    `INSERT INTO urls (slot, unique_id, original_url, created_at, request_id, user_id)
     VALUES (?, ?, 'https://example.com/', '2026-01-01', UNHEX(REPLACE(UUID(), '-', '')), ?)`,
    [slotOf(key), key, ownerId],
  );
  if (ownerId === null) return;
  await sql.execute(
    "INSERT INTO owned (user_id, created_at, unique_id, slot, target_hash) VALUES (?, '2026-01-01', ?, ?, '')",
    [ownerId, key, slotOf(key)],
  );
}

/** The rows of a table as arrays of texts and numbers, without the slot, in the order of the primary key. */
export async function rowsOf(sql: Mysql, table: string): Promise<(string | number)[][]> {
  const columns = await sql.queryArrays<[string]>(
    `SELECT column_name FROM information_schema.columns
     WHERE table_schema = DATABASE() AND table_name = ? AND column_name NOT IN ('slot', 'sketch')
     ORDER BY ordinal_position`,
    [table],
  );
  const names = columns.map(([name]) => name);
  const numbers = ['humans', 'bots', 'visitors', 'dimension'];
  const rows = await sql.queryArrays<string[]>(
    `SELECT ${names.map((name) => `CAST(${name} AS CHAR)`).join(', ')} FROM ${table} ORDER BY ${names.join(', ')}`,
  );
  return rows.map((row) =>
    row.map((value, index) => (numbers.includes(names[index] as string) ? Number(value) : value)),
  );
}
