import { RawMysql } from '../load/raw-mysql.ts';
import { measure, typicalOf, type Arm, type Measurement } from '../method/measure.ts';
import { toPairedRow } from '../method/paired-row.ts';
import { round, type BenchRow } from '../method/row.ts';
import { startBareHttp } from '../world/bare-http.ts';
import { cpuMsOf } from '../world/cpu.ts';
import { startMapper, type BenchMapper } from '../world/mapper.ts';
import type { PrivateCluster } from '../world/private-cluster.ts';
import { withRawTable } from '../world/raw-table.ts';
import { type Bench, type BenchContext } from './bench.ts';
import { CONNECTIONS, httpArm, throughput, type HttpSample } from './http-arm.ts';

const requests = () => ({ kind: 'shorten' }) as const;

/** Acknowledged links beside single-row transactions of the same driver into the same two servers. */
export const shorten: Bench = {
  name: 'shorten',
  does: `durable POST /urls over ${CONNECTIONS} connections, beside raw single-row INSERTs over ${CONNECTIONS} connections`,
  long: false,
  run: async (context) =>
    besideRaw(context, {
      name: 'shorten',
      insert: { connections: CONNECTIONS, rows: 1 },
      baseline: `raw single-row autocommit INSERTs over ${CONNECTIONS} connections to the same two servers, same driver, flushed at every commit`,
      goal: 2,
      resolvedFrom: 1.7,
    }),
};

/** The same beside rows that one connection inserts in statements of 256 rows. */
export const shortenBatch: Bench = {
  name: 'shorten-batch',
  does: 'the same, beside raw INSERTs of 256 rows on one connection',
  long: false,
  run: async (context) =>
    besideRaw(context, {
      name: 'shorten-batch',
      insert: { connections: 1, rows: 256 },
      baseline: 'rows/s of raw 256-row INSERTs on one connection, same driver, flushed at every commit',
      goal: 0.3,
      resolvedFrom: 0.22,
    }),
};

/** The same beside a server that parses the same JSON and stores nothing. */
export const shortenHttp: Bench = {
  name: 'shorten-http',
  does: 'the same, beside a bare node:http POST that parses the same JSON and answers 201',
  long: false,
  run: async (context) => {
    const cluster = await context.privateCluster();
    await cluster.links.fill(1, context);
    await using mapper = await startMapper(cluster, context.signal);
    const path = `/${cluster.links.keys(0, 1)[0]}`;
    await using bare = await startBareHttp(mapper.url, path, context.signal);
    const measurement = await measure(context, {
      name: 'shorten-http',
      arms: [
        shortenArm(context, cluster, mapper),
        httpArm({ context, name: 'bare', server: bare, requests }),
      ],
      watched: [throughput],
      quiesce: async () => cluster.quiesce(context.signal),
    });
    return judge(measurement, {
      name: 'shorten-http',
      beside: 'bare',
      baseline: 'bare node:http POST, one process: parses the same JSON, answers 201 with the same bytes',
      goal: 0.5,
      resolvedFrom: 0.42,
    });
  },
};

/** POST /urls, with the CPU time of the mapper, the stores and the producers. */
export function shortenArm(
  context: Pick<BenchContext, 'pin' | 'signal'>,
  cluster: PrivateCluster,
  mapper: BenchMapper,
  name = 'mapper',
  connections = CONNECTIONS,
): Arm<HttpSample> {
  const { mysql, redis, producers } = cluster.pids;
  return httpArm({
    context,
    name,
    server: mapper,
    connections,
    requests,
    others: { mysql, redis, producers },
  });
}

async function besideRaw(
  context: BenchContext,
  row: Judged & { readonly insert: { readonly connections: number; readonly rows: number } },
): Promise<BenchRow> {
  const cluster = await context.privateCluster();
  await using mapper = await startMapper(cluster, context.signal);
  await using driver = new RawMysql(context.signal);
  await using table = await withRawTable(cluster);
  const { mysql } = cluster.pids;
  const raw: Arm<HttpSample> = {
    name: 'raw',
    run: async (seconds) => {
      const [driverMs, mysqlMs] = [cpuMsOf([driver.pid]), cpuMsOf(mysql)];
      const durationMs = seconds * 1_000;
      const task = {
        kind: 'insert',
        urls: cluster.links.urls,
        table: table.name,
        durationMs,
        ...row.insert,
      } as const;
      const { statements, rowsPerSecond } = await driver.run(task);
      const perRow = (ms: number): number => (ms * 1_000) / Math.max(1, statements * row.insert.rows);
      return {
        perSecond: rowsPerSecond,
        cpuUs: perRow(cpuMsOf([driver.pid]) - driverMs),
        others: { mysql: perRow(cpuMsOf(mysql) - mysqlMs) },
        errorShare: 0,
      };
    },
  };
  const measurement = await measure(context, {
    name: row.name,
    arms: [shortenArm(context, cluster, mapper), raw],
    watched: [throughput],
    quiesce: async () => cluster.quiesce(context.signal),
  });
  return judge(measurement, { ...row, beside: 'raw' });
}

interface Judged {
  readonly name: string;
  readonly baseline: string;
  readonly goal: number;
  /** From this ratio on the goal counts as resolved, given an account of the CPU. */
  readonly resolvedFrom: number;
}

function judge(
  measurement: Measurement<HttpSample>,
  { name, baseline, goal, resolvedFrom, beside }: Judged & { readonly beside: string },
): BenchRow {
  const row = toPairedRow({
    name,
    unit: 'links/s',
    measurement,
    ours: 'mapper',
    beside,
    of: throughput.of,
    baseline,
    goal,
    details: {
      connections: CONNECTIONS,
      cpuUsPerLink: accountOf(measurement, 'mapper'),
      baselineCpuUsPerRow: accountOf(measurement, beside),
      resolvedFrom,
    },
  });
  return { ...row, details: { ...row.details, resolved: row.ratio >= resolvedFrom } };
}

/** CPU time in µs for each row, by part. */
function accountOf({ sequence }: Measurement<HttpSample>, arm: string): Record<string, number> {
  const parts = Object.keys(sequence.find((window) => window.arm === arm)?.sample.others ?? {});
  return {
    own: round(typicalOf(sequence, arm, ({ cpuUs }) => cpuUs)),
    ...Object.fromEntries(
      parts.map((part) => [part, round(typicalOf(sequence, arm, ({ others }) => others[part] ?? 0))]),
    ),
  };
}
