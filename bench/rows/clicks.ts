import { VARIABLES } from '../../runtime/config/variables.ts';
import { measure } from '../method/measure.ts';
import { toPairedRow } from '../method/paired-row.ts';
import type { BenchRow } from '../method/row.ts';
import { hotLinks } from '../world/hot-links.ts';
import { startMapper } from '../world/mapper.ts';
import type { Bench, BenchContext } from './bench.ts';
import { CONNECTIONS, httpArm, throughput } from './http-arm.ts';

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
  const start = async (counted: 'true' | 'total' | 'false') =>
    startMapper(cluster, context.signal, { KEYMILL_COUNT_CLICKS: counted });
  await using counting = await start('true');
  await using adding = await start('total');
  await using silent = await start('false');
  const measurement = await measure(context, {
    name: 'clicks',
    arms: [
      httpArm({ context, name: 'counted', server: counting, requests, alone: true }),
      httpArm({ context, name: 'totals', server: adding, requests, alone: true }),
      httpArm({ context, name: 'not counted', server: silent, requests, alone: true }),
    ],
    watched: [throughput],
  });
  return toPairedRow({
    name: 'clicks',
    unit: 'requests/s',
    measurement,
    ours: 'counted',
    beside: 'not counted',
    of: throughput.of,
    baseline: 'the same mapper with KEYMILL_COUNT_CLICKS=false',
    goal: 0.97,
    further: [
      {
        label: 'totals only',
        ours: 'totals',
        beside: 'not counted',
        baseline: 'the same mapper with KEYMILL_COUNT_CLICKS=false',
        goal: 0.97,
      },
    ],
    fault:
      'COUNT_CLICKS' in VARIABLES
        ? undefined
        : 'this mapper counts no clicks, so there is nothing to compare',
    details: { connections: CONNECTIONS, pinned: context.pin },
  });
}
