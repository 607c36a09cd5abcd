import type { Keyspace } from '../../db/keyspace/key.ts';
import type { Mysql } from '../../db/mysql/mysql.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { BenchRun } from '../method/bench-run.ts';

const ROWS_PER_INSERT = 10_000;
/** The same number as in the generator. One statement at a time would use only one core of the server. */
const IN_FLIGHT = 2;
/** Statements whose text is made before they are timed. */
const PREPARED = 20;
const TIMEOUT_MS = 60_000;

/**
 * What the bare server can do: INSERTs rows into a table like `keys`, in order of id, with two statements in
 * flight. Only the statements are timed; making their text is not.
 */
export async function insertRaw(options: {
  db: Mysql;
  keyspace: Keyspace;
  context: BenchRun;
  table: string;
  count: number;
}): Promise<{ rate: number; rateOfFirstTenth: number }> {
  const { db, keyspace, context, table, count } = options;
  await db.execute(`CREATE TABLE ${table} LIKE \`keys\``);
  const progress = context.progress('raw INSERT', count, 'rows');
  const tookMs: number[] = [];
  const rows = PREPARED * ROWS_PER_INSERT;
  for (let firstId = 1; firstId <= count; firstId += rows) {
    context.signal.throwIfAborted();
    const statements = Array.from({ length: PREPARED }, (_, i) =>
      statementFor(keyspace, table, firstId + i * ROWS_PER_INSERT),
    );
    const startedMs = monotonicMs();
    await Promise.all(
      Array.from({ length: IN_FLIGHT }, async (_, first) => {
        for (let i = first; i < statements.length; i += IN_FLIGHT) {
          await db.execute(statements[i] ?? '', [], { timeoutMs: TIMEOUT_MS });
        }
      }),
    );
    tookMs.push(monotonicMs() - startedMs);
    progress.update(firstId + rows - 1);
  }
  progress.stop();
  const rateOf = (some: readonly number[]): number =>
    (some.length * rows * 1_000) / some.reduce((sum, ms) => sum + ms, 0);
  return { rate: rateOf(tookMs), rateOfFirstTenth: rateOf(tookMs.slice(0, Math.ceil(tookMs.length / 10))) };
}

function statementFor(keyspace: Keyspace, table: string, firstId: number): string {
  const keys = keyspace.keysOf(0, firstId, ROWS_PER_INSERT);
  const values = keys.map((key, i) => `(${firstId + i},'${key}')`).join(',');
  return `INSERT INTO ${table} (id, unique_id) VALUES ${values}`;
}
