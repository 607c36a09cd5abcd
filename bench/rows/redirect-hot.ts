import { measure, ratioOf, typicalOf } from '../method/measure.ts';
import { toPairedRow } from '../method/paired-row.ts';
import { round, type BenchRow } from '../method/row.ts';
import { startBareHttp, type BareHttp } from '../world/bare-http.ts';
import { nginxVersion, startBareNginx } from '../world/bare-nginx.ts';
import { hotLinks } from '../world/hot-links.ts';
import { startMapper } from '../world/mapper.ts';
import { type Bench, type BenchContext } from './bench.ts';
import { busyShare, CONNECTIONS, cpuPerAnswer, httpArm, throughput } from './http-arm.ts';

/** Redirects of links in the mapper's memory, beside two bare servers that answer the same bytes. */
export const redirectHot: Bench = {
  name: 'redirect-hot',
  does: `GET of cached links over ${CONNECTIONS} connections, beside bare node:http and nginx`,
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const cluster = await context.privateCluster();
  const { paths, requests } = await hotLinks(cluster, context);
  await using mapper = await startMapper(cluster, context.signal);
  await using bare = await startBareHttp(mapper.url, paths[0] ?? '/', context.signal);
  await using nginx = await startBareNginx(mapper.url, paths[0] ?? '/', {
    dir: cluster.dir,
    signal: context.signal,
  });
  const arm = (name: string, server: BareHttp) => httpArm({ context, name, server, requests, alone: true });
  const measurement = await measure(context, {
    name: 'redirect-hot',
    // The mapper and the bare server come first and last, because the control compares these two.
    arms: [arm('mapper', mapper), arm('nginx', nginx), arm('bare', bare)],
    watched: [throughput, cpuPerAnswer],
  });
  const { sequence } = measurement;
  const cpuOf = (server: string) => ({
    usPerRequest: round(typicalOf(sequence, server, cpuPerAnswer.of)),
    shareOfACore: round(typicalOf(sequence, server, busyShare)),
  });
  const cpuBeside = (server: string) => {
    const { ratio, interval } = ratioOf(sequence, 'mapper', server, cpuPerAnswer.of);
    return { ...cpuOf(server), ratio: round(ratio), interval: interval.map(round) };
  };
  return toPairedRow({
    name: 'redirect-hot',
    unit: 'requests/s',
    measurement,
    ours: 'mapper',
    beside: 'bare',
    of: throughput.of,
    baseline: 'bare node:http, one process, 302 of the same bytes, same load',
    goal: 1.5,
    further: [
      {
        label: 'beside nginx',
        ours: 'mapper',
        beside: 'nginx',
        baseline: 'nginx, one worker, return 302 with the same headers and no body, same load',
        goal: 0.9,
      },
    ],
    details: {
      connections: CONNECTIONS,
      pinned: context.pin,
      nginx: nginxVersion(),
      cpu: { mapper: cpuOf('mapper'), bare: cpuBeside('bare'), nginx: cpuBeside('nginx') },
    },
  });
}
