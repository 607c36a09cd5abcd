import { LatencyClient } from '../load/latency.ts';
import { RawMysql } from '../load/raw-mysql.ts';
import { SHORTEN_BODY } from '../load/requests.ts';
import { measure } from '../method/measure.ts';
import { toPairedRow } from '../method/paired-row.ts';
import type { BenchRow } from '../method/row.ts';
import { startMapper } from '../world/mapper.ts';
import { withRawTable } from '../world/raw-table.ts';
import type { Bench, BenchContext } from './bench.ts';

/** The latency of one request at a time. The mapper must not delay it to make a larger batch. */
export const shortenLatency: Bench = {
  name: 'shorten-latency',
  does: 'p50 of POST /urls over 1 connection, beside a raw INSERT’s',
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const cluster = await context.privateCluster();
  await using mapper = await startMapper(cluster, context.signal);
  await using client = new LatencyClient(context.signal);
  await using driver = new RawMysql(context.signal);
  await using table = await withRawTable(cluster);
  const { urls } = cluster.links;
  const measurement = await measure(context, {
    name: 'shorten-latency',
    arms: [
      {
        name: 'mapper',
        run: async (seconds) => {
          const durationMs = seconds * 1_000;
          const task = { url: mapper.url, body: SHORTEN_BODY, connections: 1, durationMs };
          return (await client.run(task)).p50Ms;
        },
      },
      {
        name: 'raw',
        run: async (seconds) => {
          const durationMs = seconds * 1_000;
          const task = {
            kind: 'insert',
            urls,
            connections: 1,
            rows: 1,
            table: table.name,
            durationMs,
          } as const;
          return (await driver.run(task)).p50Ms;
        },
      },
    ],
    watched: [{ quantity: 'latency', of: (p50Ms) => p50Ms }],
    quiesce: async () => cluster.quiesce(context.signal),
  });
  return toPairedRow({
    name: 'shorten-latency',
    unit: 'ms',
    measurement,
    ours: 'mapper',
    beside: 'raw',
    of: (p50Ms) => p50Ms,
    baseline: 'p50 of a raw single-row INSERT over 1 connection, flushed at commit',
    better: 'lower',
    goal: 1.4,
  });
}
