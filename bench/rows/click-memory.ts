import { reserveAnyPort } from '../../scripts/servers/ports.ts';
import { LatencyClient } from '../load/latency.ts';
import { round, toRow, type BenchRow } from '../method/row.ts';
import { hotLinks } from '../world/hot-links.ts';
import { inspectableAt, readLiveMemory, type LiveMemory } from '../world/garbage.ts';
import { startMapper } from '../world/mapper.ts';
import type { Bench, BenchContext } from './bench.ts';
import { CONNECTIONS } from './http-arm.ts';
import { judgeMemory } from './soak.ts';

const MIB = 2 ** 20;
/** `warmUp`: until all that is remembered of headers is full, and most code is compiled. */
const FULL = { warmUp: 6, windows: 20, windowS: 30 };
const QUICK = { warmUp: 1, windows: 4, windowS: 1 };
const VISITORS = 100_000;
const PER_SECOND = 3_000;
const PACE = { restMs: 1, leadInMs: 500 };

/** Whether what a mapper remembers of visitors grows. */
export const clickMemory: Bench = {
  name: 'click-memory',
  does: `10 minutes of redirects for ${VISITORS} different visitors: memory slope`,
  long: true,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const { warmUp, windows, windowS } = context.quick ? QUICK : FULL;
  const cluster = await context.privateCluster();
  const { paths } = await hotLinks(cluster, context);
  using ports = new DisposableStack();
  const inspector = ports.adopt(await reserveAnyPort(), (reserved) => reserved.release());
  await using mapper = await startMapper(cluster, context.signal, inspectableAt(inspector.port));
  await using client = new LatencyClient(context.signal);
  const progress = context.progress('click-memory', warmUp + windows, 'windows');
  const live: LiveMemory[] = [];
  for (let i = 0; i < warmUp + windows; i += 1) {
    context.signal.throwIfAborted();
    await client.run({
      url: mapper.url,
      paths,
      visitors: VISITORS,
      connections: CONNECTIONS,
      durationMs: windowS * 1_000,
      perSecond: PER_SECOND,
      ...PACE,
    });
    if (i >= warmUp) live.push(await readLiveMemory(mapper.pid, inspector.port));
    progress.update(i + 1);
  }
  progress.stop();
  const of = (values: readonly number[]) => judgeMemory(values, windowS);
  const heap = of(live.map((memory) => memory.heap));
  const resident = of(live.map((memory) => memory.resident));
  const mib = (bytes: number): number => round(bytes / MIB);
  return toRow({
    name: 'click-memory',
    unit: 'MiB/hour',
    value: heap.perHour.slope / MIB,
    samples: [],
    interval: [heap.perHour.interval[0] / MIB, heap.perHour.interval[1] / MIB],
    baseline: 'heap when all garbage has been collected, in MiB',
    baselineValue: heap.medianBytes / MIB,
    control: (live[0]?.heap ?? 0) / (live.at(-1)?.heap ?? 1),
    better: 'lower',
    holds: heap.isFlat && resident.isFlat,
    details: {
      perSecond: PER_SECOND,
      visitors: VISITORS,
      seconds: windows * windowS,
      unresolved: (await mapper.metric('keymill_clicks_unresolved_total')) ?? 0,
      residentMiB: mib(resident.medianBytes),
      residentMiBPerHour: mib(resident.perHour.slope),
      eachWindowMiB: live.map((memory) => mib(memory.heap)),
    },
  });
}
