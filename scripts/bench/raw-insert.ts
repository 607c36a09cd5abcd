import type { Keyspace } from '../../db/keyspace/key.ts';
import type { Mysql } from '../../db/mysql.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { BenchContext } from './row.ts';

const ROWS_PER_INSERT = 10_000;
const TIMEOUT_MS = 60_000;

/**
 * What the server itself takes: rows into a table like `keys`, in order of id, one statement after the other. Only the
 * statements are timed; making their text is not.
 */
export async function insertRaw(options: {
  db: Mysql;
  keyspace: Keyspace;
  context: BenchContext;
  table: string;
  count: number;
}): Promise<{ rate: number; rateOfFirstTenth: number }> {
  const { db, keyspace, context, table, count } = options;
  await db.execute(`CREATE TABLE ${table} LIKE \`keys\``);
  const progress = context.progress('raw INSERT', count, 'rows');
  const tookMs: number[] = [];
  for (let firstId = 1; firstId <= count; firstId += ROWS_PER_INSERT) {
    context.signal.throwIfAborted();
    const keys = keyspace.keysOf(0, firstId, ROWS_PER_INSERT);
    const values = keys.map((key, i) => `(${firstId + i},'${key}')`).join(',');
    const startedMs = monotonicMs();
    await db.execute(`INSERT INTO ${table} (id, unique_id) VALUES ${values}`, [], { timeoutMs: TIMEOUT_MS });
    tookMs.push(monotonicMs() - startedMs);
    progress.update(firstId + ROWS_PER_INSERT - 1);
  }
  progress.stop();
  const rateOf = (some: readonly number[]): number =>
    (some.length * ROWS_PER_INSERT * 1_000) / some.reduce((sum, ms) => sum + ms, 0);
  return { rate: rateOf(tookMs), rateOfFirstTenth: rateOf(tookMs.slice(0, Math.ceil(tookMs.length / 10))) };
}
