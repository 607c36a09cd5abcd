import type { Mysql } from '../../db/mysql/mysql.ts';
import { KeymillError } from '../../runtime/errors.ts';
import { Connection } from '../load/connection.ts';
import { formatRequest } from '../load/requests.ts';
import { toRow, type BenchRow } from '../method/row.ts';
import { startMapper } from '../world/mapper.ts';
import type { PrivateCluster } from '../world/private-cluster.ts';
import { type Bench, type BenchContext } from './bench.ts';

const FULL = { requests: 512, rounds: 20 };
const QUICK = { requests: 64, rounds: 2 };

/** Many simultaneous requests for one link that is not in memory: the mapper must query the store once. */
export const stampede: Bench = {
  name: 'stampede',
  does: `${FULL.requests} simultaneous misses of one key, known or unknown: database queries`,
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const { requests, rounds } = context.quick ? QUICK : FULL;
  const cluster = await context.privateCluster();
  await using mapper = await startMapper(cluster, context.signal);
  const connections = await Promise.all(
    Array.from({ length: requests }, async () => Connection.open(mapper.url)),
  );
  const known = await cluster.links.freshKeys(rounds + 1, context);
  const unknown = cluster.links.freshUnknownKeys(rounds);
  try {
    await logStatements(cluster, true);
    const askAll = async (key: string, status: number, some = connections): Promise<number> => {
      context.signal.throwIfAborted();
      const request = formatRequest(mapper.url, `/${key}`);
      const answers = await Promise.all(some.map(async (connection) => connection.ask(request)));
      const wrong = answers.find((answer) => answer.status !== status);
      if (wrong)
        throw new KeymillError('BENCH_FAILED', `expected ${status}, got: ${wrong.raw.slice(0, 200)}`);
      return statementsWith(cluster, key);
    };
    // Proves that statements are counted: one request for one key must give one.
    const control = await askAll(known[rounds] ?? '', 302, connections.slice(0, 1));
    const ofKnown: number[] = [];
    const ofUnknown: number[] = [];
    for (let round = 0; round < rounds; round++) {
      ofKnown.push(await askAll(known[round] ?? '', 302));
      ofUnknown.push(await askAll(unknown[round] ?? '', 404));
    }
    const all = [...ofKnown, ...ofUnknown];
    return toRow({
      name: 'stampede',
      unit: 'queries',
      value: Math.max(...all),
      samples: all,
      interval: [Math.min(...all), Math.max(...all)],
      baseline: 'requests at the same moment, each a query of its own without shared look-ups',
      baselineValue: requests,
      control,
      better: 'lower',
      goal: 1,
      holds: control === 1 && Math.min(...all) === 1,
      details: {
        rounds,
        known: Math.max(...ofKnown),
        unknown: Math.max(...ofUnknown),
        counted: 'general log',
      },
    });
  } finally {
    for (const connection of connections) connection.close();
    await logStatements(cluster, false);
  }
}

/** Turns the servers' general log on or off; it is written to a table. */
async function logStatements({ links }: PrivateCluster, isOn: boolean): Promise<void> {
  for (const db of links.dbs) {
    await db.execute("SET GLOBAL log_output = 'TABLE'");
    await db.execute(`SET GLOBAL general_log = ${isOn ? 1 : 0}`);
    if (!isOn) await db.execute('TRUNCATE TABLE mysql.general_log');
  }
}

/** Statements with this key on all urls servers. The query has the key in two parts, so it does not count. */
async function statementsWith({ links }: PrivateCluster, key: string): Promise<number> {
  const count = async (db: Mysql): Promise<number> => {
    const sql =
      "SELECT COUNT(*) AS n FROM mysql.general_log WHERE command_type IN ('Query', 'Execute') AND INSTR(CONVERT(argument USING ascii), CONCAT(?, ?)) > 0";
    const rows = await db.query<{ n: number }>(sql, [key.slice(0, 4), key.slice(4)]);
    return rows[0]?.n ?? 0;
  };
  const counts = await Promise.all(links.dbs.map(count));
  return counts.reduce((sum, n) => sum + n, 0);
}
