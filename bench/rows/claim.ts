import { openKeysDb, type KeysDb } from '../../db/keys-db/keys-db.ts';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { KeymillError } from '../../runtime/errors.ts';
import { toRow, type BenchRow } from '../method/row.ts';
import { benchKeyspace, SILENT_LOG, storeVariables } from '../servers/environment.ts';
import { PrivateServers } from '../servers/private-servers.ts';
import { runKeymill, WORK_TREE } from '../servers/product.ts';
import { type Bench, type BenchContext } from './bench.ts';

const CLAIMS = 1_000;
const SEGMENTS = 10;
const KEYS_PER_CLAIM = 100;
const POOLS = ['redis-1', 'redis-2', 'redis-3', 'redis-4'];

/**
 * Claims one after the other, as a holder makes them: durable autocommit statements that check the epoch and
 * the claim mark.
 */
export const claim: Bench = {
  name: 'claim',
  does: `${CLAIMS.toLocaleString('en-US')} claims in a row on one keys-db, beside raw single-row INSERT`,
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  context.say('claim: starting a private MariaDB');
  await using servers = await PrivateServers.create(context);
  const { url } = await servers.mariaDb({ bufferPoolGib: 1, redoLog: '256M' });
  await runKeymill(WORK_TREE, ['prepare'], storeVariables({ mysql: url }), context.signal);
  const options = { name: 'keys-db-1', url: url('keys_db_1'), region: 0 };
  const keysDb = openKeysDb({ ...options, keyspace: benchKeyspace(), log: SILENT_LOG });
  const db = openMysql(options.url, { name: 'raw', connections: 1 });
  servers.defer(() => keysDb.close());
  servers.defer(() => db.close());
  await keysDb.verify();
  await keysDb.generate({ count: CLAIMS * KEYS_PER_CLAIM, signal: context.signal });
  const epoch = await keysDb.raiseEpoch({ czxid: 1n, ensemble: 'bench', owner: 'bench' });
  if (epoch === undefined) throw new KeymillError('BENCH_FAILED', 'the epoch could not be raised');
  await db.execute('CREATE TABLE raw (id INT AUTO_INCREMENT PRIMARY KEY, payload VARCHAR(300) NOT NULL)');
  const before = await insertOneByOne(db, CLAIMS);
  const samples: number[] = [];
  for (let segment = 0; segment < SEGMENTS; segment++) {
    context.signal.throwIfAborted();
    samples.push(await claimMany(keysDb, epoch, (segment * CLAIMS) / SEGMENTS, CLAIMS / SEGMENTS));
  }
  const after = await insertOneByOne(db, CLAIMS);
  return toRow({
    name: 'claim',
    unit: 'claims/s',
    samples,
    baseline: 'raw durable INSERT of one row of the same size, one after the other',
    baselineValue: (before + after) / 2,
    control: after / before,
  });
}

async function claimMany(keysDb: KeysDb, epoch: number, done: number, count: number): Promise<number> {
  const startedMs = monotonicMs();
  for (let i = 1; i <= count; i++) {
    const parts = POOLS.map((pool) => ({ pool, seq: done + i }));
    const batch = await keysDb.claim({ epoch, count: KEYS_PER_CLAIM, parts });
    if (batch === undefined) throw new KeymillError('BENCH_FAILED', 'the keys ran out');
  }
  return (count * 1_000) / (monotonicMs() - startedMs);
}

async function insertOneByOne(db: Mysql, count: number): Promise<number> {
  const payload = 'x'.repeat(300);
  const startedMs = monotonicMs();
  for (let i = 0; i < count; i++) await db.execute('INSERT INTO raw (payload) VALUES (?)', [payload]);
  return (count * 1_000) / (monotonicMs() - startedMs);
}
