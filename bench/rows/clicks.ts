import { VARIABLES } from '../../runtime/config/variables.ts';
import { measure, ratioOf, typicalOf, type Arm } from '../method/measure.ts';
import { toPairedRow } from '../method/paired-row.ts';
import { RenewedArm } from '../method/renewed-arm.ts';
import { round, type BenchRow } from '../method/row.ts';
import { hotLinks } from '../world/hot-links.ts';
import { startMapper } from '../world/mapper.ts';
import type { Bench, BenchContext } from './bench.ts';
import { busyShare, CONNECTIONS, cpuPerAnswer, httpArm, throughput, type HttpSample } from './http-arm.ts';

/** What counting clicks costs a redirect: with all that headers tell, and as mere numbers. */
export const clicks: Bench = {
  name: 'clicks',
  does: 'cached redirects/s with clicks counted, beside without',
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const cluster = await context.privateCluster();
  const { requests } = await hotLinks(cluster, context);
  const arm = (name: string, counted: 'true' | 'total' | 'false') =>
    new RenewedArm({
      name,
      start: async () => startMapper(cluster, context.signal, { KEYMILL_COUNT_CLICKS: counted }),
      armOf: (server) => httpArm({ context, name, server, requests, alone: true }),
    });
  await using counted = arm('counted', 'true');
  await using totals = arm('totals', 'total');
  await using silent = arm('not counted', 'false');
  const measurement = await measure(context, {
    name: 'clicks',
    arms: [counted, totals, silent],
    watched: [throughput],
  });
  const cpuOf = ({ name }: Arm<HttpSample>) => ({
    usPerRequest: round(typicalOf(measurement.sequence, name, cpuPerAnswer.of)),
    shareOfACore: round(typicalOf(measurement.sequence, name, busyShare)),
    ratio: round(ratioOf(measurement.sequence, name, silent.name, cpuPerAnswer.of).ratio),
  });
  return toPairedRow({
    name: 'clicks',
    unit: 'requests/s',
    measurement,
    ours: counted.name,
    beside: silent.name,
    of: throughput.of,
    baseline: 'the same mapper with KEYMILL_COUNT_CLICKS=false',
    goal: 0.97,
    further: [
      {
        label: 'totals only',
        ours: totals.name,
        beside: silent.name,
        baseline: 'the same mapper with KEYMILL_COUNT_CLICKS=false',
        goal: 0.97,
      },
    ],
    fault:
      'COUNT_CLICKS' in VARIABLES
        ? undefined
        : 'this mapper counts no clicks, so there is nothing to compare',
    details: {
      connections: CONNECTIONS,
      pinned: context.pin,
      cpu: { counted: cpuOf(counted), totals: cpuOf(totals), notCounted: cpuOf(silent) },
    },
  });
}
