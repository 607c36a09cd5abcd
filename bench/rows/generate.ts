import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { KeymillError } from '../../runtime/errors.ts';
import { pauseQuietly } from '../../runtime/retry.ts';
import { ratesOf } from '../interval.ts';
import { PrivateServers } from '../servers/private-servers.ts';
import { BENCH_SECRET, bareEnvironment, storeVariables } from '../servers/environment.ts';
import { insertRaw } from '../load/raw-insert.ts';
import { toRow, type BenchRow } from '../method/row.ts';
import { type Bench, type BenchContext } from './bench.ts';

const KEYS = 10_000_000;
const GOAL = 100_000;
const MAX_RESIDENT_MIB = 200;
const SEGMENTS = 10;
const SAMPLE_MS = 100;
/** Two tables of ten million rows one after the other, the redo log, and room to count. */
const NEEDED_GIB = 6;
/** Long enough for the slow end of a count over ten million rows. */
const COUNT_TIMEOUT_MS = 300_000;

/**
 * Ten million keys into one empty keys-db, by the command an operator types, in a process of its own: its rate is read from
 * the database (the published mark, 10 times a second), its memory from the kernel.
 */
export const generate: Bench = {
  name: 'generate',
  does: `${KEYS.toLocaleString('en-US')} keys into one keys-db, memory and distinctness checked, beside raw INSERT`,
  long: true,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  context.say('generate: starting a private MariaDB with a 6 GiB buffer pool');
  await using servers = await PrivateServers.create(context, NEEDED_GIB);
  const { url } = await servers.mariaDb({ bufferPoolGib: 6, redoLog: '2G' });
  const keysDb = await servers.keysDb(url('keys_db_1'));
  const db = openMysql(keysDb, { name: 'keys-db-1', connections: 2 });
  servers.defer(() => db.close());
  const keyspace = createKeyspace({ length: 8, secret: BENCH_SECRET, regionBits: 10 });
  const raw = { db, keyspace, context };
  const before = await insertRaw({ ...raw, table: 'raw_before', count: KEYS });
  // What it left to be flushed must not slow down what is measured next.
  await db.execute('DROP TABLE raw_before', [], { timeoutMs: COUNT_TIMEOUT_MS });
  const generated = await generateInChild(context, keysDb, db);
  const after = await insertRaw({ ...raw, table: 'raw_after', count: KEYS / 10 });
  context.say('generate: counting every key');
  const proof = await prove(db, KEYS);
  return toRow({
    name: 'generate',
    unit: 'keys/s',
    value: KEYS / ((generated.endMs - generated.startMs) / 1_000),
    samples: ratesOf(generated.seen, SEGMENTS),
    baseline: 'raw INSERT of the same rows (same columns and indexes, 10,000 a statement, two in flight)',
    baselineValue: before.rate,
    // Of equally small tables: the rate falls as the index grows.
    control: after.rate / before.rateOfFirstTenth,
    goal: GOAL,
    holds: proof.allDistinct && generated.peakResidentMib < MAX_RESIDENT_MIB,
    details: {
      keys: KEYS,
      peakResidentMib: generated.peakResidentMib,
      residentMib: generated.residentMib,
      maxResidentMib: MAX_RESIDENT_MIB,
      proof,
    },
  });
}

interface Generated {
  readonly startMs: number;
  readonly endMs: number;
  readonly seen: readonly (readonly [number, number])[];
  /** The highest ever, kept by the kernel, not only at the samples. */
  readonly peakResidentMib: number;
  /** After each tenth: flat means that the last is no larger than the first. */
  readonly residentMib: readonly number[];
}

async function generateInChild(context: BenchContext, keysDb: string, db: Mysql): Promise<Generated> {
  const script = join(import.meta.dirname, '../../scripts/keymill.ts');
  const args = ['keys', 'generate', '--keys-db', 'keys-db-1', '--count', String(KEYS), '--json'];
  const child = spawn(process.execPath, [script, ...args], {
    env: { ...bareEnvironment(), ...storeVariables({ keysDb }) },
    stdio: ['ignore', 'ignore', 'pipe'],
    signal: context.signal,
  });
  let complaints = '';
  child.stderr.on('data', (chunk: Buffer) => (complaints = (complaints + chunk.toString()).slice(-2_000)));
  const exited = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
  exited.catch(() => undefined);
  const progress = context.progress('generate', KEYS, 'keys');
  const seen: [number, number][] = [];
  const resident: number[] = [];
  let peakResidentMib = 0;
  let startMs = monotonicMs();
  for (let mark = 0; child.exitCode === null && child.signalCode === null;) {
    const now = await markOf(db);
    const atMs = monotonicMs();
    // It connects and checks the database first: the clock runs from the last look before the first keys were published.
    if (now === 0) startMs = atMs;
    if (now > mark) seen.push([atMs, now]);
    mark = now;
    const memory = memoryOf(child.pid);
    if (memory) {
      peakResidentMib = Math.max(peakResidentMib, memory.peakMib);
      while (resident.length < Math.floor((mark / KEYS) * SEGMENTS)) resident.push(memory.mib);
    }
    progress.update(mark);
    await pauseQuietly(SAMPLE_MS, context.signal);
  }
  progress.stop();
  const code = await exited;
  context.signal.throwIfAborted();
  if (code !== 0)
    throw new KeymillError('BENCH_FAILED', `keymill keys generate ended with ${code}:\n${complaints}`);
  const endMs = seen.at(-1)?.[0] ?? startMs;
  return { startMs, endMs, seen: [[startMs, 0], ...seen], peakResidentMib, residentMib: resident };
}

async function markOf(db: Mysql): Promise<number> {
  const [row] = await db.queryArrays<[number]>('SELECT generated_to FROM ownership WHERE id = 1', [], {
    timeoutMs: 30_000,
  });
  return row?.[0] ?? 0;
}

/** Resident memory in MiB, as the kernel counts it; undefined where there is no /proc. */
function memoryOf(pid: number | undefined): { mib: number; peakMib: number } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const kib = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0);
    return { mib: Math.round(kib('VmRSS') / 1_024), peakMib: Math.round(kib('VmHWM') / 1_024) };
  } catch {
    return undefined;
  }
}

interface Proof {
  readonly rows: number;
  readonly distinctKeys: number;
  readonly firstId: number;
  readonly lastId: number;
  readonly gaps: number;
  /** The index that refuses a second row with the same key. */
  readonly uniqueIndex: boolean;
  readonly allDistinct: boolean;
}

/**
 * Not sampled: every row is counted, and every distinct key; every id from 1 to the published mark is either a row or a
 * recorded gap; and the table has the unique index that would have refused a second one.
 */
async function prove(db: Mysql, wanted: number): Promise<Proof> {
  const options = { timeoutMs: COUNT_TIMEOUT_MS };
  const [counts] = await db.queryArrays<[number, number, number, number]>(
    'SELECT COUNT(*), COUNT(DISTINCT unique_id), MIN(id), MAX(id) FROM `keys`',
    [],
    options,
  );
  const [gapRow] = await db.queryArrays<[number]>('SELECT COUNT(*) FROM gaps', [], options);
  const indexes = await db.query<{ Non_unique: number; Column_name: string; Key_name: string }>(
    'SHOW INDEX FROM `keys`',
  );
  const [rows = 0, distinctKeys = 0, firstId = 0, lastId = 0] = counts ?? [];
  const gaps = gapRow?.[0] ?? 0;
  const uniqueIndex = indexes.some((index) => index.Column_name === 'unique_id' && index.Non_unique === 0);
  const mark = await markOf(db);
  const allDistinct = rows === wanted && distinctKeys === wanted && uniqueIndex && rows + gaps === mark;
  return { rows, distinctKeys, firstId, lastId, gaps, uniqueIndex, allDistinct };
}
