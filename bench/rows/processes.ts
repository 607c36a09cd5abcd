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

/**
 * A mapper of two processes must not spend more CPU on a request than a mapper of one, under a load that
 * keeps both busy. The details also hold the cost with 64 connections, where two processes batch less: half
 * as many rows in an INSERT, half as many requests in a turn of the event loop.
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
    arm('two', two, BUSY),
    arm('two, few', two, CONNECTIONS),
    arm('one, few', one, CONNECTIONS),
    // Last, because the control compares the first and the last arm of each round.
    arm('one', one, BUSY),
  ];
  const redirects = await compare(
    'redirects',
    loads((name, server, connections) => httpArm({ context, name, server, requests, connections })),
  );
  const shortens = await compare(
    'shortens',
    loads((name, server, connections) => shortenArm(context, cluster, server, name, connections)),
  );
  const [ofRedirects, ofShortens] = [redirects, shortens].map(({ sequence }) => {
    const beside = (ours: string, other: string) => {
      const { ratio, interval } = ratioOf(sequence, ours, other, cpuPerAnswer.of);
      const [two, one] = [ours, other].map((arm) => round(typicalOf(sequence, arm, cpuPerAnswer.of)));
      const [perSecond, perSecondOfOne] = [ours, other].map((arm) =>
        round(typicalOf(sequence, arm, throughput.of)),
      );
      return { two, one, ratio: round(ratio), interval: interval.map(round), perSecond, perSecondOfOne };
    };
    return { ...beside('two', 'one'), [`with${CONNECTIONS}Connections`]: beside('two, few', 'one, few') };
  });
  if (ofRedirects === undefined || ofShortens === undefined) throw new RangeError('nothing was measured');
  const isRedirectWorse = ofRedirects.ratio >= ofShortens.ratio;
  const worse = isRedirectWorse ? redirects : shortens;
  const other = isRedirectWorse ? shortens : redirects;
  return toPairedRow({
    name: 'processes',
    unit: 'µs CPU/request',
    measurement: worse,
    ours: 'two',
    beside: 'one',
    of: cpuPerAnswer.of,
    baseline: `one process, the same ${BUSY} connections; judged by the worse of redirects and shortens, here ${isRedirectWorse ? 'redirects' : 'shortens'}`,
    better: 'lower',
    goal: 1.1,
    fault:
      grown > 0
        ? (controlFault(other) ?? controlFault(worse))
        : 'this mapper stays one process, so there is nothing to compare',
    details: { cpuUsPerRedirect: ofRedirects, cpuUsPerShorten: ofShortens },
  });
}
