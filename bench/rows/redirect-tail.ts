import { median } from '../../runtime/statistics.ts';
import { LatencyClient } from '../load/latency.ts';
import { runWrk } from '../load/wrk.ts';
import { measure, type Arm } from '../method/measure.ts';
import { toPairedRow } from '../method/paired-row.ts';
import { round, type BenchRow } from '../method/row.ts';
import { startBareHttp } from '../world/bare-http.ts';
import { hotLinks } from '../world/hot-links.ts';
import { startMapper } from '../world/mapper.ts';
import { type Bench, type BenchContext } from './bench.ts';
import { CONNECTIONS } from './http-arm.ts';

const LOAD = 0.5;

/** The tail of cached redirects at half of the mapper's maximum rate, in an open loop. */
export const redirectTail: Bench = {
  name: 'redirect-tail',
  does: 'p99 at half of the maximum rate, open loop, beside bare node:http at the same rate',
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const cluster = await context.privateCluster();
  const { paths, requests } = await hotLinks(cluster, context);
  await using mapper = await startMapper(cluster, context.signal);
  await using bare = await startBareHttp(mapper.url, paths[0] ?? '/', context.signal);
  await using client = new LatencyClient(context.signal);
  const rates: number[] = [];
  for (let i = 0; i < (context.quick ? 1 : 4); i++) {
    const load = { url: mapper.url, connections: CONNECTIONS, seconds: 2, requests: requests() };
    rates.push((await runWrk({ ...load, signal: context.signal })).perSecond);
  }
  // The first one warms up the compiler.
  const maximum = median(rates.length > 1 ? rates.slice(1) : rates);
  const perSecond = maximum * LOAD;
  const open = (name: string, url: string): Arm<number> => ({
    name,
    run: async (seconds) => {
      const durationMs = seconds * 1_000;
      return (await client.run({ url, paths, connections: CONNECTIONS, durationMs, perSecond })).p99Ms;
    },
  });
  const measurement = await measure(context, {
    name: 'redirect-tail',
    arms: [open('mapper', mapper.url), open('bare', bare.url)],
    watched: [{ quantity: 'tail', of: (p99Ms) => p99Ms }],
    rounds: 20,
  });
  return toPairedRow({
    name: 'redirect-tail',
    unit: 'ms',
    measurement,
    ours: 'mapper',
    beside: 'bare',
    of: (p99Ms) => p99Ms,
    baseline: 'p99 of bare node:http at the same rate, same bytes',
    better: 'lower',
    goal: 1.3,
    details: { maximumPerSecond: round(maximum), perSecond: round(perSecond), connections: CONNECTIONS },
  });
}
