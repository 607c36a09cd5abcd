import { measure, ratioOf, typicalOf } from '../method/measure.ts';
import { toPairedRow } from '../method/paired-row.ts';
import { round, type BenchRow } from '../method/row.ts';
import { startBareHttp } from '../world/bare-http.ts';
import { hotLinks } from '../world/hot-links.ts';
import { startMapper } from '../world/mapper.ts';
import { type Bench, type BenchContext } from './bench.ts';
import { CONNECTIONS, cpuPerAnswer, httpArm, throughput } from './http-arm.ts';

/** Redirects of links in the mapper's memory, beside a bare server that answers the same bytes. */
export const redirectHot: Bench = {
  name: 'redirect-hot',
  does: `GET of cached links over ${CONNECTIONS} connections, beside bare node:http`,
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const cluster = await context.privateCluster();
  const { paths, requests } = await hotLinks(cluster, context);
  await using mapper = await startMapper(cluster, context.signal);
  await using bare = await startBareHttp(mapper.url, paths[0] ?? '/', context.signal);
  const measurement = await measure(context, {
    name: 'redirect-hot',
    arms: [
      httpArm({ context, name: 'mapper', server: mapper, requests, alone: true }),
      httpArm({ context, name: 'bare', server: bare, requests, alone: true }),
    ],
    watched: [throughput, cpuPerAnswer],
  });
  const { sequence } = measurement;
  const cpu = ratioOf(sequence, 'mapper', 'bare', cpuPerAnswer.of);
  return toPairedRow({
    name: 'redirect-hot',
    unit: 'requests/s',
    measurement,
    ours: 'mapper',
    beside: 'bare',
    of: throughput.of,
    baseline: 'bare node:http, one process, 302 of the same bytes, same load',
    goal: 0.95,
    details: {
      connections: CONNECTIONS,
      pinned: context.pin,
      cpuUsPerRequest: round(typicalOf(sequence, 'mapper', cpuPerAnswer.of)),
      bareCpuUsPerRequest: round(typicalOf(sequence, 'bare', cpuPerAnswer.of)),
      cpuRatio: round(cpu.ratio),
      cpuInterval: cpu.interval.map(round),
    },
  });
}
