import { join } from 'node:path';
import { createUserId } from '../../db/accounts/user-ids.ts';
import { openUsersDb } from '../../db/accounts/users-db.ts';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { openRedis, type RedisClient } from '../../db/redis/redis-client.ts';
import { POOL_KEY } from '../../db/redis/redis-keys.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { measure, type Arm } from '../method/measure.ts';
import { toPairedRow } from '../method/paired-row.ts';
import type { BenchRow } from '../method/row.ts';
import { benchKeyspace, SILENT_LOG, storeVariables } from '../servers/environment.ts';
import { PrivateServers } from '../servers/private-servers.ts';
import { runKeymill, WORK_TREE } from '../servers/product.ts';
import { TABLES, writeImportFiles, type ImportFiles } from '../world/import-files.ts';
import { type Bench, type BenchContext } from './bench.ts';

/** Enough that the start of the command, half a second, hardly counts. */
const ROWS = 200_000;
const ROUNDS = 10;
const OWNER = 'import@bench.example';
const LOAD_TIMEOUT_MS = 120_000;
const PUSH = 10_000;
/** An import never takes the last keys of a pool. */
const SPARE_KEYS = 5_000;
/** Regions of the key space without a keys-db. */
const [POOL_REGION, LOAD_REGION] = [900, 901];

/** Rows of a file by the command that an operator types, beside `LOAD DATA` of the same rows. */
export const importRows: Bench = {
  name: 'import',
  does: `keymill import of ${ROWS.toLocaleString('en-US')} rows, half with codes, a third with tags, beside LOAD DATA of the same rows into the same tables on one server`,
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  context.say('import: starting a private MariaDB and a private Redis');
  await using servers = await PrivateServers.create(context, 4);
  const { url } = await servers.mariaDb({ bufferPoolGib: 2, redoLog: '1G' });
  const redis = await servers.redis(1);
  const variables = {
    ...storeVariables({ mysql: url, redis }),
    KEYMILL_PUBLIC_URL: 'https://s.bench.example',
  };
  await runKeymill(WORK_TREE, ['prepare'], variables, context.signal);
  const ownerId = await makeOwner(url('users'));
  const db = openMysql(url('urls'), { name: 'urls-1', connections: 1 });
  servers.defer(async () => db.close());
  const pool = openRedis(redis[0]?.url ?? '', { name: 'redis-1', log: SILENT_LOG });
  servers.defer(async () => pool[Symbol.asyncDispose]());
  await pool.whenConnected(5_000);
  let files = 0;
  // The tables are empty before each window, because they are slower when they are large.
  const nextFiles = async (): Promise<ImportFiles> => {
    for (const { name } of TABLES)
      await db.execute(`TRUNCATE TABLE ${name}`, [], { timeoutMs: LOAD_TIMEOUT_MS });
    return writeImportFiles(join(servers.dir, `file-${(files += 1)}`), {
      rows: ROWS,
      number: files,
      ownerId,
      keys: keysOf(LOAD_REGION, files),
    });
  };
  const ours: Arm<number> = {
    name: 'import',
    run: async () => {
      const made = await nextFiles();
      await fillPool(pool, keysOf(POOL_REGION, files, SPARE_KEYS));
      return rateOf(async () =>
        runKeymill(WORK_TREE, ['import', made.csv, '--owner', OWNER], variables, context.signal),
      );
    },
  };
  const load: Arm<number> = {
    name: 'load',
    run: async () => {
      const made = await nextFiles();
      return rateOf(async () => loadAll(db, made));
    },
  };
  const measurement = await measure(context, {
    name: 'import',
    arms: [ours, load],
    rounds: ROUNDS,
    watched: [{ quantity: 'throughput', of: (rate) => rate }],
  });
  return toPairedRow({
    name: 'import',
    unit: 'rows/s',
    measurement,
    ours: 'import',
    beside: 'load',
    of: (rate) => rate,
    baseline: 'LOAD DATA of the same rows into urls, owned, link_tags and click_totals of one server',
    goal: 0.3,
    details: { rowsOfFile: ROWS },
  });
}

async function rateOf(work: () => Promise<void>): Promise<number> {
  const startedMs = monotonicMs();
  await work();
  return (ROWS * 1_000) / (monotonicMs() - startedMs);
}

/** Keys for the half of a file that has no codes. */
function keysOf(region: number, file: number, spare = 0): string[] {
  const keyspace = benchKeyspace();
  const [first, count] = [1 + file * ROWS, ROWS / 2 + spare];
  const bytes = keyspace.bytesOf(region, first, count);
  const stride = keyspace.length + 1;
  const text = bytes.toString('latin1');
  return Array.from({ length: count }, (_, i) => text.slice(i * stride, i * stride + keyspace.length));
}

async function fillPool(pool: RedisClient, keys: readonly string[]): Promise<void> {
  for (let at = 0; at < keys.length; at += PUSH)
    await pool.command('RPUSH', [POOL_KEY, ...keys.slice(at, at + PUSH)], { timeoutMs: 10_000 });
}

async function loadAll(db: Mysql, files: ImportFiles): Promise<void> {
  for (const { name, columns } of TABLES)
    await db.execute(`LOAD DATA INFILE ? INTO TABLE ${name} ${columns}`, [files.tables[name]], {
      timeoutMs: LOAD_TIMEOUT_MS,
    });
}

async function makeOwner(url: string): Promise<bigint> {
  const db = openUsersDb({ url });
  const createdAt = new Date();
  const id = createUserId(createdAt.getTime());
  const names = { firstName: null, middleName: null, lastName: null };
  // No password has this hash.
  await db.users.create({ id, email: OWNER, password: '!', isAdmin: false, createdAt, ...names });
  await db.close();
  return id;
}
