import { pause } from '../../runtime/retry.ts';
import { LatencyClient } from '../load/latency.ts';
import { round, toRow, type BenchRow } from '../method/row.ts';
import { SmallCluster } from '../world/small-cluster.ts';
import type { Bench, BenchContext } from './bench.ts';

const PER_SECOND = 1_000;
const CONNECTIONS = 32;
const LINKS = 2_000;
const READY_GOAL_S = 5;
const IDLE_GOAL_MIB = 220;
const LOAD_GOAL_MIB = 320;
/** After the start and the filling. */
const REST_MS = 5_000;
const LOOK_MS = 200;

type Memory = Readonly<Record<string, number>>;

/** What `up --small` needs on a small host. The goals are those of the design. */
export const smallMemory: Bench = {
  name: 'small-memory',
  does: `resident memory of all processes of up --small, idle and at ${PER_SECOND} redirects a second`,
  long: true,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const seconds = context.quick ? 3 : 20;
  const progress = context.progress('small-memory', 4, 'steps');
  await using cluster = await SmallCluster.start(context.signal);
  progress.update(1);
  const freePages = await cluster.fillBufferPool();
  const paths = await makeLinks(cluster.file.mappers[0]?.url ?? '');
  progress.update(2);
  await pause(REST_MS, context.signal);
  const idle = cluster.memoryKib();
  progress.update(3);
  const loaded = await atLoad(cluster, paths, { seconds, signal: context.signal });
  progress.stop();
  const [idleMib, loadMib] = [sumMib(idle), sumMib(loaded)];
  return toRow({
    name: 'small-memory',
    unit: 'MiB',
    value: loadMib,
    samples: [loadMib],
    interval: [loadMib, loadMib],
    baseline: 'the same processes, idle, with the buffer pool filled',
    baselineValue: idleMib,
    control: 1,
    better: 'lower',
    goal: LOAD_GOAL_MIB,
    holds: idleMib <= IDLE_GOAL_MIB && cluster.readyS <= READY_GOAL_S,
    details: {
      idleGoalMiB: IDLE_GOAL_MIB,
      idleMiB: inMib(idle),
      atLoadMiB: inMib(loaded),
      readyS: cluster.readyS,
      freePagesOfBufferPool: freePages,
      perSecond: PER_SECOND,
      seconds,
    },
  });
}

async function makeLinks(mapper: string): Promise<string[]> {
  const paths: string[] = [];
  for (let i = 0; i < LINKS; i += 100) {
    const some = Array.from({ length: 100 }, async (_, j) => {
      const answer = await fetch(`${mapper}/urls`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ long_url: `https://example.com/${i + j}` }),
      });
      const { unique_id: key } = (await answer.json()) as { unique_id: string };
      return `/${key}`;
    });
    paths.push(...(await Promise.all(some)));
  }
  return paths;
}

/** The memory at the moment of its highest sum. */
async function atLoad(
  cluster: SmallCluster,
  paths: readonly string[],
  { seconds, signal }: { readonly seconds: number; readonly signal: AbortSignal },
): Promise<Memory> {
  await using client = new LatencyClient(signal);
  let highest: Memory = {};
  const looking = setInterval(() => {
    const now = cluster.memoryKib();
    if (sumMib(now) > sumMib(highest)) highest = now;
  }, LOOK_MS);
  try {
    const url = cluster.file.mappers[0]?.url ?? '';
    await client.run({
      url,
      paths,
      connections: CONNECTIONS,
      durationMs: seconds * 1_000,
      perSecond: PER_SECOND,
    });
  } finally {
    clearInterval(looking);
  }
  return highest;
}

function sumMib(memory: Memory): number {
  return Object.values(memory).reduce((sum, kib) => sum + kib, 0) / 1_024;
}

function inMib(memory: Memory): Record<string, number> {
  return Object.fromEntries(Object.entries(memory).map(([name, kib]) => [name, round(kib / 1_024)]));
}
