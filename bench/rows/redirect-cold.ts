import { median } from '../../runtime/statistics.ts';
import { LatencyClient } from '../load/latency.ts';
import { RawMysql } from '../load/raw-mysql.ts';
import { measure, typicalOf, type Arm } from '../method/measure.ts';
import { pairsOf } from '../method/order.ts';
import { toPairedRow } from '../method/paired-row.ts';
import { round, type BenchRow } from '../method/row.ts';
import { bootstrapOf } from '../method/statistics.ts';
import { startBareHttp } from '../world/bare-http.ts';
import { startMapper } from '../world/mapper.ts';
import { type Bench, type BenchContext } from './bench.ts';

/** More than one connection can request in a second. */
export const KEYS_PER_SECOND = 6_000;

/**
 * The latency of a link that is not in memory, beside its smallest possible cost: a SELECT by the bare driver
 * and a bare answer.
 */
export const redirectCold: Bench = {
  name: 'redirect-cold',
  does: 'p50 of the first request for a link, over 1 connection, beside bare SELECT + bare 302',
  long: false,
  run,
};

/** p50 in ms */
type Latency = number;

async function run(context: BenchContext): Promise<BenchRow> {
  const cluster = await context.privateCluster();
  const { links } = cluster;
  await links.fill(1, context);
  await using mapper = await startMapper(cluster, context.signal);
  await using bare = await startBareHttp(mapper.url, `/${links.keys(0, 1)[0]}`, context.signal);
  await using client = new LatencyClient(context.signal);
  await using driver = new RawMysql(context.signal);
  const freshPaths = async (seconds: number): Promise<string[]> => {
    const keys = await links.freshKeys(KEYS_PER_SECOND * seconds, context);
    return keys.map((key) => `/${key}`);
  };
  const get = (name: string, url: string): Arm<Latency> => ({
    name,
    run: async (seconds) => {
      const paths = await freshPaths(seconds);
      const task = { url, paths, connections: 1, durationMs: seconds * 1_000 };
      return (await client.run(task)).p50Ms;
    },
  });
  const select: Arm<Latency> = {
    name: 'select',
    run: async (seconds) => {
      const keys = await links.freshKeys(KEYS_PER_SECOND * seconds, context);
      const { urls, serverOfSlot } = links;
      return (await driver.run({ kind: 'select', urls, serverOfSlot, keys, durationMs: seconds * 1_000 }))
        .p50Ms;
    },
  };
  const measurement = await measure(context, {
    name: 'redirect-cold',
    arms: [get('mapper', mapper.url), select, get('bare', bare.url)],
    watched: [{ quantity: 'latency', of: (p50) => p50 }],
    quiesce: async () => cluster.quiesce(context.signal),
  });
  const { sequence } = measurement;
  const selects = pairsOf(sequence, 'mapper', 'select');
  const ratios = pairsOf(sequence, 'mapper', 'bare').map(
    ([ours, bareMs], i) => ours / (bareMs + (selects[i]?.[1] ?? Number.NaN)),
  );
  const p50 = (arm: string): number => typicalOf(sequence, arm, (ms) => ms);
  const row = toPairedRow({
    name: 'redirect-cold',
    unit: 'ms',
    measurement,
    ours: 'mapper',
    beside: 'bare',
    of: (ms) => ms,
    baseline: 'p50 of the bare driver’s SELECT by primary key + p50 of the bare 302, in the same round',
    better: 'lower',
    goal: 1.15,
    ratio: { ratio: median(ratios), interval: bootstrapOf(ratios) },
    details: { selectMs: round(p50('select')), bareMs: round(p50('bare')) },
  });
  return { ...row, baselineValue: round(p50('select') + p50('bare')) };
}
