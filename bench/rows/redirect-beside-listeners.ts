import { setTimeout as delay } from 'node:timers/promises';
import { LatencyClient } from '../load/latency.ts';
import { Listeners } from '../load/listeners.ts';
import type { ListenResult } from '../load/listeners-main.ts';
import { measure, type Arm } from '../method/measure.ts';
import { toPairedRow } from '../method/paired-row.ts';
import type { BenchRow } from '../method/row.ts';
import { startMapper } from '../world/mapper.ts';
import { makeOwners } from '../world/owners.ts';
import type { Bench, BenchContext } from './bench.ts';
import { CONNECTIONS } from './http-arm.ts';

const PER_SECOND = 5_000;
const LISTENERS = 1_000;
const MAX_EVENTS = 20;
/** Clicks are told a second late at most. */
const LATE_MS = 1_500;
/** The client, the listeners and the mapper share two cores. A client that never sleeps would need one. */
const REST_MS = 1;

/** Each click is told to all who watch the link, and people who follow it must not wait for that. */
export const redirectBesideListeners: Bench = {
  name: 'redirect-beside-listeners',
  does: 'p99 of 5,000 redirects/s of one link, open loop, while 1,000 clients watch its clicks',
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const cluster = await context.privateCluster();
  const { keys } = await makeOwners(cluster, 1, ['links:create', 'stats:read']);
  await using mapper = await startMapper(cluster, context.signal);
  const [apiKey = ''] = keys;
  // A link is watched for a minute longer than its clients stay.
  const [watched, unwatched] = [await makeLink(mapper.url, apiKey), await makeLink(mapper.url, apiKey)];
  await using client = new LatencyClient(context.signal);
  await using listeners = new Listeners(context.signal);
  const follow = async (key: string, seconds: number): Promise<{ answers: number; p99Ms: number }> =>
    client.run({
      url: mapper.url,
      paths: [`/${key}`],
      connections: CONNECTIONS,
      durationMs: seconds * 1_000,
      perSecond: PER_SECOND,
      restMs: REST_MS,
    });
  const told = new Told();
  const beside: Arm<number> = {
    name: 'beside',
    run: async (seconds) => {
      const path = `/urls/${watched}/clicks/live`;
      await listeners.open({ url: mapper.url, path, apiKey, count: LISTENERS });
      const { answers, p99Ms } = await follow(watched, seconds);
      await delay(LATE_MS);
      told.add(answers, await listeners.close());
      return p99Ms;
    },
  };
  const alone: Arm<number> = {
    name: 'alone',
    run: async (seconds) => (await follow(unwatched, seconds)).p99Ms,
  };
  const measurement = await measure(context, {
    name: 'redirect-beside-listeners',
    arms: [beside, alone],
    watched: [{ quantity: 'tail', of: (p99Ms) => p99Ms }],
    rounds: 12,
    quiesce: async () => cluster.quiesce(context.signal, [mapper.pid]),
  });
  return toPairedRow({
    name: 'redirect-beside-listeners',
    unit: 'ms',
    measurement,
    ours: 'beside',
    beside: 'alone',
    of: (p99Ms) => p99Ms,
    baseline: 'p99 of the same redirects of a link that nobody watches',
    better: 'lower',
    goal: 1.5,
    fault: told.fault,
    details: {
      perSecond: PER_SECOND,
      listeners: LISTENERS,
      eventsPerSecond: told.eventsPerSecond,
      clicks: told.clicks,
    },
  });
}

/** What all listeners were told, beside what has happened. */
class Told {
  clicks = 0;
  eventsPerSecond = 0;
  fault: string | undefined;

  add(followed: number, { toldLeast, toldMost, eventsPerSecond, ended }: ListenResult): void {
    this.clicks += followed;
    this.eventsPerSecond = Math.max(this.eventsPerSecond, eventsPerSecond);
    if (eventsPerSecond > MAX_EVENTS) this.fault = `a listener got ${eventsPerSecond} events within a second`;
    if (ended > 0) this.fault = `${ended} listeners were sent away`;
    if (toldLeast !== followed || toldMost !== followed)
      this.fault = `listeners were told ${toldLeast} to ${toldMost} of ${followed} clicks`;
  }
}

async function makeLink(url: string, apiKey: string): Promise<string> {
  const answer = await fetch(`${url}/urls`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` },
    body: JSON.stringify({ long_url: 'https://example.com/' }),
  });
  const link = (await answer.json()) as { unique_id: string };
  return link.unique_id;
}
