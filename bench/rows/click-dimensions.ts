import { pause } from '../../runtime/retry.ts';
import { median } from '../../runtime/statistics.ts';
import type { LatencyResult } from '../load/latency-main.ts';
import { LatencyClient } from '../load/latency.ts';
import { measure, ratioOf, typicalOf, type Arm, type Measurement } from '../method/measure.ts';
import { toPairedRow } from '../method/paired-row.ts';
import { round, toRow, type BenchRow } from '../method/row.ts';
import { cpuMsOfOne } from '../world/cpu.ts';
import { hotLinks } from '../world/hot-links.ts';
import { startMapper, type BenchMapper } from '../world/mapper.ts';
import type { Bench, BenchContext } from './bench.ts';
import { CONNECTIONS } from './http-arm.ts';

const DISTINCT = 100_000;
const LOAD = 0.5;
/** A client that never sleeps would need one of two cores, and its own waits would be all that is seen. */
const PACE = { restMs: 1, leadInMs: 500 };
/** The last clicks are flushed after 2 s at most: part of what they cost, and no part of the next arm. */
const SETTLE_MS = 2_500;
const CPU_GOAL_US = { repeated: 6, distinct: 10 };
const TAIL_GOAL = 1.2;

/** What it costs a redirect that the headers of clicks are read, in CPU. */
export const clickCpu: Bench = {
  name: 'click-cpu',
  does: `CPU of a cached redirect that counts all dimensions, beside one that counts nothing; of one visitor and of ${DISTINCT}`,
  long: false,
  run: async (context) => judgeCpu(await compare(context, 'click-cpu')),
};

/** The same in latency. */
export const clickTail: Bench = {
  name: 'click-tail',
  does: 'p99 of cached redirects that count all dimensions, at half of the maximum rate, beside those that count nothing',
  long: false,
  run: async (context) => judgeTail(await compare(context, 'click-tail')),
};

interface Sample {
  readonly p99Ms: number;
  /** CPU time of the mapper, for each answer. */
  readonly cpuUs: number;
  /** Clicks whose headers were not read, for each answer. */
  readonly unresolved: number;
}

interface Compared {
  readonly measurement: Measurement<Sample>;
  readonly perSecond: number;
}

async function compare(context: BenchContext, name: string): Promise<Compared> {
  const cluster = await context.privateCluster();
  const { paths } = await hotLinks(cluster, context);
  const start = async (counted: string): Promise<BenchMapper> =>
    startMapper(cluster, context.signal, { KEYMILL_COUNT_CLICKS: counted });
  await using repeated = await start('true');
  await using distinct = await start('true');
  await using off = await start('false');
  await using client = new LatencyClient(context.signal);
  const follow = async (
    mapper: BenchMapper,
    visitors: number,
    seconds: number,
    perSecond?: number,
  ): Promise<LatencyResult> =>
    client.run({
      url: mapper.url,
      paths,
      visitors,
      connections: CONNECTIONS,
      durationMs: seconds * 1_000,
      ...(perSecond !== undefined && { perSecond, ...PACE }),
    });
  const rates: number[] = [];
  for (let i = 0; i < (context.quick ? 2 : 4); i += 1) rates.push((await follow(off, 1, 2)).perSecond);
  // The first one warms up the compiler.
  const perSecond = median(rates.slice(1)) * LOAD;
  const arm = (armName: string, mapper: BenchMapper, visitors: number): Arm<Sample> => ({
    name: armName,
    run: async (seconds) => {
      const [cpuMs, unresolved] = [cpuMsOfOne(mapper.pid), await unresolvedOf(mapper)];
      const { allAnswers, p99Ms } = await follow(mapper, visitors, seconds, perSecond);
      await pause(SETTLE_MS, context.signal);
      const cpuUs = ((cpuMsOfOne(mapper.pid) - cpuMs) * 1_000) / allAnswers;
      return { p99Ms, cpuUs, unresolved: ((await unresolvedOf(mapper)) - unresolved) / allAnswers };
    },
  });
  const measurement = await measure(context, {
    name,
    arms: [arm('repeated', repeated, 1), arm('distinct', distinct, DISTINCT), arm('off', off, 1)],
    watched: [name === 'click-cpu' ? { quantity: 'cpu', of: cpuOf } : { quantity: 'tail', of: tailOf }],
    rounds: 20,
    quiesce: async () => cluster.quiesce(context.signal),
  });
  return { measurement, perSecond };
}

const cpuOf = ({ cpuUs }: Sample): number => cpuUs;
const tailOf = ({ p99Ms }: Sample): number => p99Ms;

async function unresolvedOf(mapper: BenchMapper): Promise<number> {
  return (await mapper.metric('keymill_clicks_unresolved_total')) ?? 0;
}

function judgeCpu({ measurement, perSecond }: Compared): BenchRow {
  const { sequence, controls, controlHolds } = measurement;
  const baselineValue = typicalOf(sequence, 'off', cpuOf);
  const extraOf = (arm: string): number => (ratioOf(sequence, arm, 'off', cpuOf).ratio - 1) * baselineValue;
  const { interval } = ratioOf(sequence, 'repeated', 'off', cpuOf);
  const distinctUs = extraOf('distinct');
  return toRow({
    name: 'click-cpu',
    unit: 'µs/redirect',
    samples: [],
    value: extraOf('repeated'),
    interval: [(interval[0] - 1) * baselineValue, (interval[1] - 1) * baselineValue],
    baseline: 'CPU of a redirect with KEYMILL_COUNT_CLICKS=false',
    baselineValue,
    control: controls[0]?.ratio ?? Number.NaN,
    better: 'lower',
    goal: CPU_GOAL_US.repeated,
    holds: controlHolds && distinctUs <= CPU_GOAL_US.distinct,
    details: {
      distinctUs: round(distinctUs),
      distinctGoalUs: CPU_GOAL_US.distinct,
      ...lossesOf(measurement),
      perSecond: round(perSecond),
      connections: CONNECTIONS,
    },
  });
}

function judgeTail({ measurement, perSecond }: Compared): BenchRow {
  return toPairedRow({
    name: 'click-tail',
    unit: 'ms',
    measurement,
    ours: 'repeated',
    beside: 'off',
    of: tailOf,
    baseline: 'the same mapper with KEYMILL_COUNT_CLICKS=false',
    better: 'lower',
    goal: TAIL_GOAL,
    further: [
      {
        label: `of ${DISTINCT} visitors`,
        ours: 'distinct',
        beside: 'off',
        baseline: 'the same mapper with KEYMILL_COUNT_CLICKS=false',
        goal: TAIL_GOAL,
      },
    ],
    details: { ...lossesOf(measurement), perSecond: round(perSecond), connections: CONNECTIONS },
  });
}

/** Which share of clicks lost its dimensions. */
function lossesOf({ sequence }: Measurement<Sample>): {
  repeatedUnresolved: number;
  distinctUnresolved: number;
} {
  const lossOf = (arm: string): number => round(typicalOf(sequence, arm, ({ unresolved }) => unresolved));
  return { repeatedUnresolved: lossOf('repeated'), distinctUnresolved: lossOf('distinct') };
}
