import { measure } from '../method/measure.ts';
import type { BenchRow } from '../method/row.ts';
import { startMapper } from '../world/mapper.ts';
import type { Bench, BenchContext } from './bench.ts';
import { CONNECTIONS, throughput } from './http-arm.ts';
import { judge, shortenArm } from './shorten.ts';

/** What keys by counter cost: no take from Redis, but the mapper makes the keys itself. */
export const shortenCounter: Bench = {
  name: 'shorten-counter',
  does: `POST /urls over ${CONNECTIONS} connections with keys by counter, beside the same with keys from the pools`,
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const cluster = await context.privateCluster();
  await using byCounter = await startMapper(cluster, context.signal, { KEYMILL_KEY_SOURCE: 'counter' });
  await using byPools = await startMapper(cluster, context.signal);
  const measurement = await measure(context, {
    name: 'shorten-counter',
    arms: [shortenArm(context, cluster, byCounter), shortenArm(context, cluster, byPools, 'pools')],
    watched: [throughput],
    quiesce: async () => cluster.quiesce(context.signal),
  });
  return judge(context, measurement, {
    name: 'shorten-counter',
    beside: 'pools',
    baseline: `the same mapper with keys from the pools, ${CONNECTIONS} connections`,
    goal: 0.97,
  });
}
