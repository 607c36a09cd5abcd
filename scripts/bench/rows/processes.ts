import { measure, ratioOf, typicalOf, type Arm, type Measurement } from '../method/measure.ts';
import { controlFault, toPairedRow } from '../paired-row.ts';
import { round, type Bench, type BenchContext, type BenchRow } from '../row.ts';
import { processesOf } from '../world/cpu.ts';
import { hotLinks } from '../world/hot-links.ts';
import { startMapper } from '../world/mapper.ts';
import { CONNECTIONS, cpuPerAnswer, httpArm, type HttpSample } from './http-arm.ts';
import { shortenArm } from './shorten.ts';

/**
 * One mapper on two cores must not spend more on each request than on one, under the same load. Beside it is told what two processes spend
 * that have as many connections each as the one: under the same load they share less, half as many rows to an INSERT, half as many requests
 * to a turn of the event loop.
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
      settle: async () => cluster.settle(context.signal),
    });
  const redirects = await compare('redirects', [
    httpArm({ context, name: 'two', server: two, requests }),
    httpArm({ context, name: 'one', server: one, requests }),
    httpArm({ context, name: 'twice', server: two, requests, connections: 2 * CONNECTIONS }),
  ]);
  const shortens = await compare('shortens', [
    shortenArm(context, cluster, two, 'two'),
    shortenArm(context, cluster, one, 'one'),
    shortenArm(context, cluster, two, 'twice', 2 * CONNECTIONS),
  ]);
  const [ofRedirects, ofShortens] = [redirects, shortens].map(({ sequence }) => {
    const cpu = (arm: string): number => round(typicalOf(sequence, arm, cpuPerAnswer.of));
    const twice = ratioOf(sequence, 'twice', 'one', cpuPerAnswer.of);
    return {
      two: cpu('two'),
      one: cpu('one'),
      ...ratioOf(sequence, 'two', 'one', cpuPerAnswer.of),
      twiceTheConnections: {
        cpu: cpu('twice'),
        ratio: round(twice.ratio),
        interval: twice.interval.map(round),
      },
    };
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
    baseline: `one process, the same ${CONNECTIONS} connections; judged by the worse of redirects and shortens, here ${isRedirectWorse ? 'redirects' : 'shortens'}`,
    better: 'lower',
    goal: 1.1,
    fault:
      grown > 0
        ? (controlFault(other) ?? controlFault(worse))
        : 'this mapper stays one process: there is nothing to compare',
    details: { cpuUsPerRedirect: ofRedirects, cpuUsPerShorten: ofShortens },
  });
}
