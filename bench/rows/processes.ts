import { measure, ratioOf, typicalOf, type Arm, type Measurement } from '../method/measure.ts';
import { controlFault, toPairedRow } from '../method/paired-row.ts';
import { round, type BenchRow } from '../method/row.ts';
import { processesOf } from '../world/cpu.ts';
import { hotLinks } from '../world/hot-links.ts';
import { startMapper, type BenchMapper } from '../world/mapper.ts';
import { type Bench, type BenchContext } from './bench.ts';
import { CONNECTIONS, cpuPerAnswer, httpArm, throughput, type HttpSample } from './http-arm.ts';
import { shortenArm } from './shorten.ts';

/** Enough to keep two processes busy; 64 keep one busy. */
const BUSY = 4 * CONNECTIONS;
const FEW = CONNECTIONS;

/**
 * A mapper of two processes may spend little more CPU on a request than a mapper of one. It is judged with 64
 * connections, where two processes batch less (half as many rows in an INSERT, half as many requests in a
 * turn of the event loop), and with a load that keeps both busy.
 */
export const processes: Bench = {
  name: 'processes',
  does: 'server CPU per redirect and per shorten with two processes, beside one',
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const cluster = await context.privateCluster();
  const { requests } = await hotLinks(cluster, context);
  const start = async (count: number) =>
    startMapper(cluster, context.signal, { KEYMILL_PROCESSES: String(count) });
  await using two = await start(2);
  await using one = await start(1);
  const grown = processesOf(two.pid) - processesOf(one.pid);
  const compare = async (what: string, arms: readonly Arm<HttpSample>[]): Promise<Measurement<HttpSample>> =>
    measure(context, {
      name: `processes: ${what}`,
      arms,
      watched: [cpuPerAnswer],
      quiesce: async () => cluster.quiesce(context.signal),
    });
  const loads = (arm: (name: string, server: BenchMapper, connections: number) => Arm<HttpSample>) => [
    // These two come first and last, because the control compares the first and the last arm of each round.
    arm('two, few', two, FEW),
    arm('two, busy', two, BUSY),
    arm('one, busy', one, BUSY),
    arm('one, few', one, FEW),
  ];
  const redirects = await compare(
    'redirects',
    loads((name, server, connections) => httpArm({ context, name, server, requests, connections })),
  );
  const shortens = await compare(
    'shortens',
    loads((name, server, connections) => shortenArm(context, cluster, server, name, connections)),
  );
  const measurements = { redirects, shortens };
  const few = worseOf(measurements, 'few');
  const busy = worseOf(measurements, 'busy');
  const sentence = ({ what }: Worse, connections: number): string =>
    `one process, the same ${connections} connections; judged by the worse of redirects and shortens, here ${what}`;
  return toPairedRow({
    name: 'processes',
    unit: 'µs CPU/request',
    measurement: few.measurement,
    ours: 'two, few',
    beside: 'one, few',
    of: cpuPerAnswer.of,
    baseline: sentence(few, FEW),
    better: 'lower',
    goal: 1.15,
    further: [
      {
        label: `at ${BUSY} connections`,
        measurement: busy.measurement,
        ours: 'two, busy',
        beside: 'one, busy',
        baseline: sentence(busy, BUSY),
        goal: 1.1,
      },
    ],
    fault:
      grown > 0
        ? (controlFault(redirects) ?? controlFault(shortens))
        : 'this mapper stays one process, so there is nothing to compare',
    details: { cpuUsPerRedirect: accountOf(redirects), cpuUsPerShorten: accountOf(shortens) },
  });
}

type Load = 'few' | 'busy';

interface Worse {
  readonly what: string;
  readonly measurement: Measurement<HttpSample>;
}

/** The kind of request that costs two processes more, compared with one, under this load. */
function worseOf(measurements: Readonly<Record<string, Measurement<HttpSample>>>, load: Load): Worse {
  const ratioUnder = ({ measurement }: Worse): number =>
    ratioOf(measurement.sequence, `two, ${load}`, `one, ${load}`, cpuPerAnswer.of).ratio;
  return Object.entries(measurements)
    .map(([what, measurement]) => ({ what, measurement }))
    .reduce((worse, one) => (ratioUnder(one) > ratioUnder(worse) ? one : worse));
}

function accountOf({ sequence }: Measurement<HttpSample>): Record<string, unknown> {
  const besideOne = (load: Load) => {
    const [ours, other] = [`two, ${load}`, `one, ${load}`] as const;
    const { ratio, interval } = ratioOf(sequence, ours, other, cpuPerAnswer.of);
    const typical = (arm: string, of: (sample: HttpSample) => number): number =>
      round(typicalOf(sequence, arm, of));
    return {
      two: typical(ours, cpuPerAnswer.of),
      one: typical(other, cpuPerAnswer.of),
      ratio: round(ratio),
      interval: interval.map(round),
      perSecond: typical(ours, throughput.of),
      perSecondOfOne: typical(other, throughput.of),
    };
  };
  return { [`with${FEW}Connections`]: besideOne('few'), [`with${BUSY}Connections`]: besideOne('busy') };
}
