import { measure, type Arm } from '../method/measure.ts';
import type { BenchRow } from '../method/row.ts';
import { startMapper, type BenchMapper } from '../world/mapper.ts';
import type { Bench, BenchContext } from './bench.ts';
import { CONNECTIONS, httpArm, throughput, type HttpSample } from './http-arm.ts';
import { judge } from './shorten.ts';

/** Behind a proxy: that many clients, one after another on each connection. */
const CLIENTS = 1_000;
/** So high that no client reaches it, and low enough to be counted like any other. */
const PER_MINUTE = '1000000000';
const GOAL = 0.95;

const ON = { KEYMILL_LIMIT_LOOPBACK: 'true', KEYMILL_LIMIT_ANONYMOUS: PER_MINUTE };
const OFF = Object.fromEntries(
  ['ANONYMOUS', 'KEY', 'SESSION', 'SIGN_IN', 'BAD_CREDENTIAL', 'NOT_FOUND'].map((name) => [
    `KEYMILL_LIMIT_${name}`,
    '0',
  ]),
);

/** What it costs to know a client, to count its links, and to tell it what is left. */
export const shortenLimited: Bench = {
  name: 'shorten-limited',
  does: `anonymous POST /urls with limits, beside without; for one client, and for ${CLIENTS} behind a proxy`,
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const cluster = await context.privateCluster();
  await using limited = await startMapper(cluster, context.signal, ON);
  await using unlimited = await startMapper(cluster, context.signal, OFF);
  const trusting = { ...ON, KEYMILL_TRUSTED_PROXIES: '127.0.0.1' };
  await using behindProxy = await startMapper(cluster, context.signal, trusting);
  // A mapper for each arm: one that serves two arms has warmed up its compiler before the others.
  await using unlimitedBehindProxy = await startMapper(cluster, context.signal, OFF);
  const armOf = (name: string, server: BenchMapper, clients: number): Arm<HttpSample> => {
    const requests = () => ({ kind: 'shorten', clients }) as const;
    return httpArm({ context, name, server, requests, others: cluster.servers });
  };
  const measurement = await measure(context, {
    name: 'shorten-limited',
    arms: [
      armOf('mapper', limited, 0),
      armOf('without limits', unlimited, 0),
      armOf('by proxy', behindProxy, CLIENTS),
      armOf('by proxy, without limits', unlimitedBehindProxy, CLIENTS),
    ],
    watched: [throughput],
    quiesce: async () => cluster.quiesce(context.signal),
  });
  return judge(context, measurement, {
    name: 'shorten-limited',
    beside: 'without limits',
    baseline: `the same mapper without limits, ${CONNECTIONS} connections`,
    goal: GOAL,
    further: [
      {
        label: 'by proxy',
        ours: 'by proxy',
        beside: 'by proxy, without limits',
        baseline: `the same without limits, both with X-Forwarded-For of ${CLIENTS} clients in turn`,
        goal: GOAL,
      },
    ],
  });
}
