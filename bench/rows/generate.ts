import { hasLooseEndAt } from '../../db/keyspace/loose-ends.ts';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { insertRaw } from '../load/raw-insert.ts';
import { ratesOf } from '../method/rates.ts';
import { toRow, type BenchRow } from '../method/row.ts';
import { benchKeyspace, storeVariables } from '../servers/environment.ts';
import { PrivateServers } from '../servers/private-servers.ts';
import { runKeymill, WORK_TREE } from '../servers/product.ts';
import { generateKeys, markOf } from '../world/key-generation.ts';
import { type Bench, type BenchContext } from './bench.ts';

const KEYS = 10_000_000;
const GOAL = 100_000;
const MAX_RESIDENT_MIB = 200;
const SEGMENTS = 10;
/** Two tables of ten million rows one after the other, the redo log, and room to count. */
const NEEDED_GIB = 6;
/** Enough for a slow count over ten million rows. */
const COUNT_TIMEOUT_MS = 300_000;

/**
 * Ten million keys into one empty keys-db, by the command that an operator types.
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
  const variables = storeVariables({ mysql: url });
  await runKeymill(WORK_TREE, ['prepare'], variables, context.signal);
  const db = openMysql(url('keys_db_1'), { name: 'keys-db-1', connections: 2 });
  servers.defer(() => db.close());
  const raw = { db, keyspace: benchKeyspace(), context };
  const before = await insertRaw({ ...raw, table: 'raw_before', count: KEYS });
  // Its pages must not be flushed during the next measurement.
  await db.execute('DROP TABLE raw_before', [], { timeoutMs: COUNT_TIMEOUT_MS });
  const progress = context.progress('generate', KEYS, 'keys');
  const onProgress = (made: number): void => progress.update(made);
  const task = { product: WORK_TREE, variables, db, count: KEYS, onProgress };
  const generated = await generateKeys(context, task);
  progress.stop();
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
    // Both tables are equally small, because the rate falls as the index grows.
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

interface Proof {
  readonly rows: number;
  readonly distinctKeys: number;
  readonly firstId: number;
  readonly lastId: number;
  /** Recorded gaps: their keys spell a word. */
  readonly gaps: number;
  /** Gaps that are not recorded: their keys begin or end with `-` or `_`. */
  readonly looseEnds: number;
  /** Whether the index exists that refuses a second row with the same key. */
  readonly uniqueIndex: boolean;
  readonly allDistinct: boolean;
}

/**
 * Counts every row and every distinct key. Every id from 1 to the published mark must be a row or a gap, and
 * the table must have the unique index that refuses a second row with the same key.
 */
async function prove(db: Mysql, expected: number): Promise<Proof> {
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
  const looseEnds = countLooseEnds(mark);
  const isFull = rows + gaps + looseEnds === mark;
  const allDistinct = rows === expected && distinctKeys === expected && uniqueIndex && isFull;
  return { rows, distinctKeys, firstId, lastId, gaps, looseEnds, uniqueIndex, allDistinct };
}

const IDS_PER_PIECE = 100_000;

/** Ids from 1 to `mark` whose keys are not generated because of their first or last character. */
function countLooseEnds(mark: number): number {
  const keyspace = benchKeyspace();
  const stride = keyspace.length + 1;
  let found = 0;
  for (let first = 1; first <= mark; first += IDS_PER_PIECE) {
    const count = Math.min(IDS_PER_PIECE, mark - first + 1);
    const bytes = keyspace.bytesOf(0, first, count);
    for (let i = 0; i < count; i += 1) if (hasLooseEndAt(bytes, i * stride, keyspace.length)) found += 1;
  }
  return found;
}
