import { randomBytes } from 'node:crypto';
import { createConnection, type Connection } from 'mysql2';
import { slotOf } from '../../db/keyspace/placement.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { percentile } from '../../runtime/statistics.ts';
import { serveParent } from './child.ts';
import { TARGET } from './requests.ts';

/*
 * The bare MySQL driver without any code of ours: the baseline of every figure of the mapper that depends on
 * a MySQL server. Connections stay open from task to task.
 */

export type RawTask =
  /**
   * INSERTs of `rows` rows each into `table`, each its own transaction. The `connections` connections are
   * spread evenly over the servers.
   */
  | {
      readonly kind: 'insert';
      readonly urls: readonly string[];
      readonly connections: number;
      readonly rows: number;
      readonly table: string;
      readonly durationMs: number;
    }
  /** SELECTs by primary key, one key after the other, each from the server of its slot. */
  | {
      readonly kind: 'select';
      readonly urls: readonly string[];
      readonly serverOfSlot: readonly number[];
      readonly keys: readonly string[];
      readonly durationMs: number;
    };

export interface RawResult {
  readonly statements: number;
  readonly rowsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const COLUMNS = 'slot, unique_id, user_id, original_url, created_at, expires_at, request_id, alias';
const open = new Map<string, Connection[]>();

/** `count` connections, spread over `urls` in turn. */
function connectionsTo(urls: readonly string[], count: number): Connection[] {
  return Array.from({ length: count }, (_, i) => {
    const url = urls[i % urls.length] ?? '';
    const pool = open.get(url) ?? [];
    open.set(url, pool);
    const at = Math.floor(i / urls.length);
    pool[at] ??= createConnection({ uri: url, timezone: 'Z', charset: 'utf8mb4' });
    return pool[at];
  });
}

interface Statement {
  readonly sql: string;
  readonly values: unknown[];
}

/** Gives the next statement and the connection to send it on. */
type NextStatement = () => Statement & { readonly connection: Connection };

async function run(task: RawTask): Promise<RawResult> {
  const rows = task.kind === 'insert' ? task.rows : 1;
  const connections = connectionsTo(task.urls, task.kind === 'insert' ? task.connections : task.urls.length);
  const streams: readonly NextStatement[] =
    task.kind === 'insert'
      ? connections.map((connection) => () => ({ connection, ...insertOf(task.table, rows) }))
      : [selectsOf(task, connections)];
  const latencies: number[] = [];
  const startedMs = monotonicMs();
  const endMs = startedMs + task.durationMs;
  await Promise.all(
    streams.map(
      async (next) =>
        new Promise<void>((resolve, reject) => {
          const step = (): void => {
            const sentMs = monotonicMs();
            if (sentMs >= endMs) return resolve();
            const { connection, sql, values } = next();
            connection.query(sql, values, (error) => {
              if (error) return reject(error);
              latencies.push(monotonicMs() - sentMs);
              step();
            });
          };
          step();
        }),
    ),
  );
  const seconds = (monotonicMs() - startedMs) / 1_000;
  return {
    statements: latencies.length,
    rowsPerSecond: (latencies.length * rows) / seconds,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
  };
}

let stock = '';

function randomKey(): string {
  if (stock.length < 8) stock = randomBytes(6 * 1_024).toString('base64url');
  const key = stock.slice(0, 8);
  stock = stock.slice(8);
  return key;
}

function insertOf(table: string, rows: number): Statement {
  const values = Array.from({ length: rows }, () => {
    const key = randomKey();
    return [slotOf(key), key, null, TARGET, new Date(), null, randomBytes(16), 0];
  });
  // In the order of the primary key, as the mapper sends them.
  values.sort((a, b) => Number(a[0]) - Number(b[0]) || (String(a[1]) < String(b[1]) ? -1 : 1));
  return { sql: `INSERT INTO ${table} (${COLUMNS}) VALUES ?`, values: [values] };
}

function selectsOf(
  task: Extract<RawTask, { kind: 'select' }>,
  connections: readonly Connection[],
): NextStatement {
  let at = 0;
  const sql =
    'SELECT unique_id, original_url, created_at, expires_at, request_id, deleted_at FROM urls WHERE slot = ? AND unique_id = ?';
  return () => {
    const key = task.keys[at++ % task.keys.length] ?? '';
    const slot = slotOf(key);
    const connection = connections[task.serverOfSlot[slot] ?? -1];
    if (connection === undefined) throw new RangeError(`slot ${slot} belongs to no server`);
    return { connection, sql, values: [slot, key] };
  };
}

serveParent(async (task) => run(task as RawTask));
