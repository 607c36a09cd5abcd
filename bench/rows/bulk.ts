import { KeymillError } from '../../runtime/errors.ts';
import { BulkClient } from '../load/bulk.ts';
import { RawMysql } from '../load/raw-mysql.ts';
import { measure, type Arm } from '../method/measure.ts';
import type { BenchRow } from '../method/row.ts';
import { cpuMsOfEach } from '../world/cpu.ts';
import { startMapper } from '../world/mapper.ts';
import { makeOwners } from '../world/owners.ts';
import { withRawTable } from '../world/raw-table.ts';
import type { Bench, BenchContext } from './bench.ts';
import { httpArm, throughput, type HttpSample } from './http-arm.ts';
import { judge } from './shorten.ts';

const ITEMS = 10_000;
const ROWS_PER_INSERT = 256;

/** Links of one request for many, beside links of one request each, and beside bare INSERTs. */
export const bulk: Bench = {
  name: 'bulk',
  does: `POST /urls/bulk with ${ITEMS.toLocaleString('en-US')} items on one connection, beside raw INSERTs of ${ROWS_PER_INSERT} rows, and beside single requests on one connection`,
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const cluster = await context.privateCluster();
  const owners = await makeOwners(cluster, 1);
  const [apiKey = ''] = owners.keys;
  await using mapper = await startMapper(cluster, context.signal);
  await using client = new BulkClient(context.signal);
  await using driver = new RawMysql(context.signal);
  await using table = await withRawTable(cluster);
  const processes: Record<string, readonly number[]> = {
    server: [mapper.pid],
    driver: [driver.pid],
    ...cluster.servers,
  };
  /** CPU time in µs for each link or row. */
  const account = async (
    work: () => Promise<{ rows: number; perSecond: number }>,
    own: 'server' | 'driver',
  ) => {
    const before = cpuMsOfEach(processes);
    const { rows, perSecond } = await work();
    const after = cpuMsOfEach(processes);
    const perRow = (part: string): number =>
      (((after[part] ?? 0) - (before[part] ?? 0)) * 1_000) / Math.max(1, rows);
    const others = Object.fromEntries(Object.keys(cluster.servers).map((part) => [part, perRow(part)]));
    return { perSecond, cpuUs: perRow(own), others, errorShare: 0 };
  };
  const many: Arm<HttpSample> = {
    name: 'mapper',
    run: async (seconds) =>
      account(async () => {
        const task = { url: mapper.url, apiKey, items: ITEMS, connections: 1, durationMs: seconds * 1_000 };
        const { links, problems, perSecond } = await client.run(task);
        // The pools of a private cluster are refilled in time, so this is a fault.
        if (problems > 0) throw new KeymillError('BENCH_FAILED', `${problems} items of bulks were refused`);
        return { rows: links, perSecond };
      }, 'server'),
  };
  const raw: Arm<HttpSample> = {
    name: 'raw',
    run: async (seconds) =>
      account(async () => {
        const { statements, rowsPerSecond } = await driver.run({
          kind: 'insert',
          urls: cluster.links.urls,
          table: table.name,
          connections: 1,
          rows: ROWS_PER_INSERT,
          durationMs: seconds * 1_000,
        });
        return { rows: statements * ROWS_PER_INSERT, perSecond: rowsPerSecond };
      }, 'driver'),
  };
  const single = httpArm({
    context,
    name: 'single',
    server: mapper,
    connections: 1,
    requests: () => ({ kind: 'shorten', keyFile: owners.file }),
    others: cluster.servers,
  });
  const measurement = await measure(context, {
    name: 'bulk',
    arms: [many, raw, single],
    watched: [throughput],
    quiesce: async () => cluster.quiesce(context.signal),
  });
  return judge(context, measurement, {
    name: 'bulk',
    beside: 'raw',
    baseline: `rows/s of raw ${ROWS_PER_INSERT}-row INSERTs on one connection, same driver, flushed at every commit`,
    goal: 0.5,
    further: [
      {
        label: 'beside single requests',
        ours: 'mapper',
        beside: 'single',
        baseline: 'links/s of single requests with the same API key on one connection',
        goal: 8,
      },
    ],
  });
}
