import { pause } from '../../runtime/retry.ts';
import { median } from '../../runtime/statistics.ts';
import { LatencyClient } from '../load/latency.ts';
import { measure, ratioOf, typicalOf, type Arm, type Measurement, type Watched } from '../method/measure.ts';
import { round, toRow, type BenchRow } from '../method/row.ts';
import { putInBackground } from '../world/background.ts';
import { cpuMsOfOne } from '../world/cpu.ts';
import { hotLinks } from '../world/hot-links.ts';
import { startMapper, type BenchMapper } from '../world/mapper.ts';
import type { Bench, BenchContext } from './bench.ts';
import { watchMainThreads, type BusyTimes } from './busy-times.ts';
import { CONNECTIONS } from './http-arm.ts';

/** Of the arm in which the headers differ. */
export const DISTINCT = 100_000;
const LOAD = 0.5;
/** A client that never sleeps would need one of two cores, and its own waits would be all that is seen. */
const PACE = { restMs: 1, leadInMs: 500 };
/** The last clicks are flushed after 2 s at most: part of what they cost, and no part of the next arm. */
const SETTLE_MS = 2_500;
const CPU_GOAL_US = { repeated: 6, distinct: 10 };

/** What it costs a redirect that the headers of clicks are read, in CPU. */
export const clickCpu: Bench = {
  name: 'click-cpu',
  does: `CPU of a cached redirect that counts all dimensions, beside one that counts nothing; of one visitor and of ${DISTINCT}`,
  long: false,
  run: async (context) => {
    await using client = new LatencyClient(context.signal);
    return await compareClicks(context, {
      name: 'click-cpu',
      watched: { quantity: 'cpu', of: ({ cpuUs }) => cpuUs },
      databasesGiveWay: false,
      begin: async (mappers, paths) => atHalfOfClient(context, client, mappers.off, paths),
      judge: judgeCpu,
    });
  },
};

interface ClickSample extends BusyTimes {
  readonly p99Ms: number;
  /** How late the client was, where it says so. */
  readonly lateP99Ms: number;
  /** CPU time of the mapper, for each answer. */
  readonly cpuUs: number;
  /** Clicks whose headers were not read, for each answer. */
  readonly unresolved: number;
}

/** How links are followed in all arms alike. */
export interface Follow {
  readonly perSecond: number;
  /** The process that follows them. */
  readonly clientPid: number;
  readonly follow: (
    mapper: BenchMapper,
    visitors: number,
    seconds: number,
  ) => Promise<{ readonly allAnswers: number; readonly p99Ms: number; readonly lateP99Ms?: number }>;
}

interface Mappers {
  readonly repeated: BenchMapper;
  readonly distinct: BenchMapper;
  readonly off: BenchMapper;
}

/** What was measured, and how links were followed for it. */
export type Compared<F extends Follow> = F & { readonly measurement: Measurement<ClickSample> };

interface Comparison<F extends Follow> {
  readonly name: string;
  readonly watched: Watched<ClickSample>;
  /** The databases give way to mapper and client, as if they were on other machines. */
  readonly databasesGiveWay: boolean;
  /** Finds out how fast links are followed. */
  readonly begin: (mappers: Mappers, paths: readonly string[]) => Promise<F>;
  readonly judge: (compared: Compared<F>) => BenchRow;
}

/** Redirects that count the clicks of one visitor, those of many, and those that count nothing. */
export async function compareClicks<F extends Follow>(
  context: BenchContext,
  { name, watched, databasesGiveWay, begin, judge }: Comparison<F>,
): Promise<BenchRow> {
  const cluster = await context.privateCluster();
  const { paths } = await hotLinks(cluster, context);
  const start = async (counted: string): Promise<BenchMapper> =>
    startMapper(cluster, context.signal, { KEYMILL_COUNT_CLICKS: counted });
  await using repeated = await start('true');
  await using distinct = await start('true');
  await using off = await start('false');
  using _ = putInBackground(databasesGiveWay ? cluster.pids.mysql : []);
  const load = await begin({ repeated, distinct, off }, paths);
  const arm = (armName: string, mapper: BenchMapper, visitors: number): Arm<ClickSample> => ({
    name: armName,
    run: async (seconds) => {
      const [cpuMs, unresolved] = [cpuMsOfOne(mapper.pid), await unresolvedOf(mapper)];
      const busyTimes = watchMainThreads(load.clientPid, mapper.pid);
      const { allAnswers, p99Ms, lateP99Ms = Number.NaN } = await load.follow(mapper, visitors, seconds);
      const busy = busyTimes(seconds);
      await pause(SETTLE_MS, context.signal);
      const cpuUs = ((cpuMsOfOne(mapper.pid) - cpuMs) * 1_000) / allAnswers;
      const lost = ((await unresolvedOf(mapper)) - unresolved) / allAnswers;
      return { p99Ms, lateP99Ms, cpuUs, unresolved: lost, ...busy };
    },
  });
  const measurement = await measure(context, {
    name,
    arms: [arm('repeated', repeated, 1), arm('distinct', distinct, DISTINCT), arm('off', off, 1)],
    watched: [watched],
    rounds: 20,
    quiesce: async () => cluster.quiesce(context.signal),
  });
  return judge({ ...load, measurement });
}

async function atHalfOfClient(
  context: BenchContext,
  client: LatencyClient,
  off: BenchMapper,
  paths: readonly string[],
): Promise<Follow> {
  const load = { paths, connections: CONNECTIONS };
  const rates: number[] = [];
  for (let i = 0; i < (context.quick ? 2 : 4); i += 1)
    rates.push((await client.run({ ...load, url: off.url, visitors: 1, durationMs: 2_000 })).perSecond);
  // The first one warms up the compiler.
  const perSecond = median(rates.slice(1)) * LOAD;
  return {
    perSecond,
    clientPid: client.pid,
    follow: async ({ url }, visitors, seconds) =>
      client.run({ ...load, url, visitors, durationMs: seconds * 1_000, perSecond, ...PACE }),
  };
}

async function unresolvedOf(mapper: BenchMapper): Promise<number> {
  return (await mapper.metric('keymill_clicks_unresolved_total')) ?? 0;
}

function judgeCpu({ measurement, perSecond }: Compared<Follow>): BenchRow {
  const cpuOf = ({ cpuUs }: ClickSample): number => cpuUs;
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

/** Which share of clicks lost its dimensions. */
export function lossesOf({ sequence }: Measurement<ClickSample>): {
  repeatedUnresolved: number;
  distinctUnresolved: number;
} {
  const lossOf = (arm: string): number => round(typicalOf(sequence, arm, ({ unresolved }) => unresolved));
  return { repeatedUnresolved: lossOf('repeated'), distinctUnresolved: lossOf('distinct') };
}
