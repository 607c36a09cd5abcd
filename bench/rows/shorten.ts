import { RawMysql } from '../load/raw-mysql.ts';
import { measure, type Arm, type Measurement } from '../method/measure.ts';
import { toPairedRow, type Further } from '../method/paired-row.ts';
import { round, type BenchRow } from '../method/row.ts';
import { startBareHttp } from '../world/bare-http.ts';
import { cpuMsOfEach } from '../world/cpu.ts';
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
      goal: 2.5,
      resolvedFrom: 2.2,
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
    return judge(context, measurement, {
      name: 'shorten-http',
      beside: 'bare',
      baseline: 'bare node:http POST, one process: parses the same JSON, answers 201 with the same bytes',
      goal: 0.8,
    });
  },
};

/** POST /urls, with the CPU time of the mapper, of each store and of each producer. */
export function shortenArm(
  context: Pick<BenchContext, 'pin' | 'signal'>,
  cluster: PrivateCluster,
  mapper: BenchMapper,
  name = 'mapper',
  connections = CONNECTIONS,
): Arm<HttpSample> {
  return httpArm({ context, name, server: mapper, connections, requests, others: cluster.servers });
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
  const processes = { driver: [driver.pid], mysql };
  const raw: Arm<HttpSample> = {
    name: 'raw',
    run: async (seconds) => {
      const before = cpuMsOfEach(processes);
      const durationMs = seconds * 1_000;
      const task = {
        kind: 'insert',
        urls: cluster.links.urls,
        table: table.name,
        durationMs,
        ...row.insert,
      } as const;
      const { statements, rowsPerSecond } = await driver.run(task);
      const after = cpuMsOfEach(processes);
      const perRow = (ms: number): number => (ms * 1_000) / Math.max(1, statements * row.insert.rows);
      return {
        perSecond: rowsPerSecond,
        cpuUs: perRow(after.driver - before.driver),
        others: { mysql: perRow(after.mysql - before.mysql) },
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
  return judge(context, measurement, { ...row, beside: 'raw' });
}

interface Judged {
  readonly name: string;
  readonly baseline: string;
  readonly goal: number;
  /** From this ratio on the goal counts as resolved, given an account of the CPU. */
  readonly resolvedFrom?: number;
  readonly further?: readonly Further<HttpSample>[];
}

/** The row of links per second, with an account of the CPU time of the arm `mapper` and of the other one. */
export function judge(
  context: BenchContext,
  measurement: Measurement<HttpSample>,
  { name, baseline, goal, resolvedFrom, further = [], beside }: Judged & { readonly beside: string },
): BenchRow {
  const cpuUsPerLink = accountOf(measurement, 'mapper');
  const baselineCpuUsPerRow = accountOf(measurement, beside);
  context.say(`${name}: CPU in µs for each link: ${sentenceOf(cpuUsPerLink)}`);
  context.say(`${name}: CPU in µs for each row of the baseline: ${sentenceOf(baselineCpuUsPerRow)}`);
  const row = toPairedRow({
    name,
    unit: 'links/s',
    measurement,
    ours: 'mapper',
    beside,
    of: throughput.of,
    baseline,
    goal,
    further,
    details: {
      connections: CONNECTIONS,
      cpuUsPerLink,
      baselineCpuUsPerRow,
    },
  });
  if (resolvedFrom === undefined) return row;
  return { ...row, details: { ...row.details, resolvedFrom, resolved: row.ratio >= resolvedFrom } };
}

/**
 * CPU time in µs for each row, by process: first of the arm itself, then of those that take part. It is that
 * of all windows together: in one of them, a small server uses less than the kernel's unit.
 */
function accountOf({ sequence }: Measurement<HttpSample>, arm: string): Record<string, number> {
  const samples = sequence.filter((window) => window.arm === arm).map(({ sample }) => sample);
  const rows = samples.reduce((sum, { perSecond }) => sum + perSecond, 0);
  const perRow = (of: (sample: HttpSample) => number): number =>
    round(samples.reduce((sum, sample) => sum + of(sample) * sample.perSecond, 0) / rows);
  const parts = Object.keys(samples[0]?.others ?? {});
  return {
    [arm]: perRow(({ cpuUs }) => cpuUs),
    ...Object.fromEntries(parts.map((part) => [part, perRow(({ others }) => others[part] ?? 0)])),
  };
}

function sentenceOf(account: Readonly<Record<string, number>>): string {
  return Object.entries(account)
    .map(([part, us]) => `${part} ${us}`)
    .join(', ');
}
