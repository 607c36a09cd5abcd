import { SHORTEN_BODY } from '../load/requests.ts';
import { measure, type Arm } from '../method/measure.ts';
import type { BenchRow } from '../method/row.ts';
import { startMapper } from '../world/mapper.ts';
import { makeOwners } from '../world/owners.ts';
import type { Bench, BenchContext } from './bench.ts';
import { CONNECTIONS, httpArm, throughput, type HttpSample } from './http-arm.ts';
import { judge, shortenArm } from './shorten.ts';

const OWNERS = 1_000;

/** An owned link is one row more in the same transaction, and its request has one header more. */
export const shortenKeyed: Bench = {
  name: 'shorten-keyed',
  does: `POST /urls with the API keys of ${OWNERS} owners, beside the same without a key`,
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const cluster = await context.privateCluster();
  const owners = await makeOwners(cluster, OWNERS);
  await using mapper = await startMapper(cluster, context.signal);
  const keyed = httpArm({
    context,
    name: 'mapper',
    server: mapper,
    requests: () => ({ kind: 'shorten', keyFile: owners.file }),
    others: cluster.servers,
  });
  const remembered: Arm<HttpSample> = {
    name: keyed.name,
    run: async (seconds, round) => {
      await useOnce(mapper.url, owners.keys, context.signal);
      await cluster.quiesce(context.signal);
      return keyed.run(seconds, round);
    },
  };
  const measurement = await measure(context, {
    name: 'shorten-keyed',
    arms: [remembered, shortenArm(context, cluster, mapper, 'anonymous')],
    watched: [throughput],
    quiesce: async () => cluster.quiesce(context.signal),
  });
  return judge(context, measurement, {
    name: 'shorten-keyed',
    beside: 'anonymous',
    baseline: `the same mapper without keys, ${CONNECTIONS} connections`,
    goal: 0.8,
    resolvedFrom: 0.7,
  });
}

/** The mapper remembers each key from now on. It would read one that it does not know. */
async function useOnce(url: string, keys: readonly string[], signal: AbortSignal): Promise<void> {
  const waiting = [...keys];
  const send = async (): Promise<void> => {
    for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
      const answer = await fetch(`${url}/urls`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
        body: SHORTEN_BODY,
        signal,
      });
      await answer.arrayBuffer();
      if (answer.status !== 201) throw new Error(`a shorten with a key was answered ${answer.status}`);
    }
  };
  await Promise.all(Array.from({ length: 16 }, send));
}
