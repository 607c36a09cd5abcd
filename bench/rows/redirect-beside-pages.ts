import { randomBytes } from 'node:crypto';
import { LatencyClient } from '../load/latency.ts';
import { People } from '../load/people.ts';
import type { PagesSeen } from '../load/people-main.ts';
import { SHORTEN_BODY } from '../load/requests.ts';
import { measure, type Arm } from '../method/measure.ts';
import { toPairedRow } from '../method/paired-row.ts';
import type { BenchRow } from '../method/row.ts';
import { hotLinks } from '../world/hot-links.ts';
import { startMapper } from '../world/mapper.ts';
import { makePeople } from '../world/people.ts';
import type { Bench, BenchContext } from './bench.ts';
import { CONNECTIONS } from './http-arm.ts';

const PER_SECOND = 5_000;
/** 100 shortens a second. */
const READS_PER_WRITE = 49;
const PEOPLE = 50;
/** Each opens a page a second. */
const EVERY_MS = 1_000;
const WATCHERS = 2;
/** The client, the people and the mapper share two cores. A client that never sleeps would need one. */
const REST_MS = 1;
/** Fewer say that the people were kept waiting, or the pages were not there. */
const LEAST_PAGES = 0.8;

/** Pages are made by the same processes that redirect. Whoever follows a link must not wait for them. */
export const redirectBesidePages: Bench = {
  name: 'redirect-beside-pages',
  does: 'p99 of 4,900 cached redirects/s beside 100 shortens/s, open loop, while 50 people use the pages',
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const cluster = await context.privateCluster();
  const { paths } = await hotLinks(cluster, context);
  const token = randomBytes(16).toString('hex');
  await using mapper = await startMapper(cluster, context.signal, { KEYMILL_ADMIN_TOKEN: token });
  const people = await makePeople(cluster, mapper.url, PEOPLE);
  const crowd = {
    url: mapper.url,
    people,
    everyMs: EVERY_MS,
    dashboard: { url: mapper.adminUrl, token, watchers: WATCHERS },
  };
  await using client = new LatencyClient(context.signal);
  await using browsers = new People(context.signal);
  const follow = async (seconds: number): Promise<number> => {
    const { redirectP99Ms } = await client.run({
      url: mapper.url,
      paths,
      body: SHORTEN_BODY,
      readsPerWrite: READS_PER_WRITE,
      connections: CONNECTIONS,
      durationMs: seconds * 1_000,
      perSecond: PER_SECOND,
      restMs: REST_MS,
    });
    return redirectP99Ms;
  };
  const use = new Use();
  const beside: Arm<number> = {
    name: 'beside',
    run: async (seconds) => {
      await browsers.come(crowd);
      const p99Ms = await follow(seconds);
      use.add(await browsers.go());
      return p99Ms;
    },
  };
  const measurement = await measure(context, {
    name: 'redirect-beside-pages',
    arms: [beside, { name: 'alone', run: follow }],
    watched: [{ quantity: 'tail', of: (p99Ms) => p99Ms }],
    rounds: 20,
    // What the people leave behind is still under way: clicks are flushed, the dashboard closes its sources.
    quiesce: async () => cluster.quiesce(context.signal, [mapper.pid]),
  });
  return toPairedRow({
    name: 'redirect-beside-pages',
    unit: 'ms',
    measurement,
    ours: 'beside',
    beside: 'alone',
    of: (p99Ms) => p99Ms,
    baseline: 'p99 of the same redirects, beside the same shortens, while nobody uses the pages',
    better: 'lower',
    goal: 1.5,
    fault: use.fault,
    details: { perSecond: PER_SECOND, people: PEOPLE, ...use.figures },
  });
}

/** What all people have done in all windows. */
class Use {
  fault: string | undefined;
  #seconds = 0;
  #pages = 0;
  #saved = 0;
  #events = 0;
  #last: PagesSeen | undefined;

  add(seen: PagesSeen): void {
    this.#seconds += seen.seconds;
    this.#pages += seen.pages;
    this.#saved += seen.saved;
    this.#events += seen.events;
    this.#last = seen;
    if (seen.faults > 0) this.fault = `${seen.faults} pages were none, the first: ${seen.fault}`;
    else if (this.#pages < LEAST_PAGES * PEOPLE * this.#seconds)
      this.fault = `${this.figures.pagesPerSecond} pages a second were shown to ${PEOPLE} people`;
    else if (this.#saved === 0) this.fault = 'no form was carried out';
    else if (this.#events === 0) this.fault = 'no dashboard was told anything';
  }

  get figures() {
    return {
      pagesPerSecond: Math.round(this.#pages / this.#seconds),
      saved: this.#saved,
      events: this.#events,
      pageP50Ms: this.#last?.p50Ms,
      pageP99Ms: this.#last?.p99Ms,
    };
  }
}
