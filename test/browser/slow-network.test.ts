import { expect } from 'chai';
import { until } from '../until.ts';
import { furnish } from './furnish.ts';
import type { Person } from './person.ts';
import { DESK, PATIENCE } from './setting.ts';
import { useSite } from './use-site.ts';

const KBIT_PER_S = 400;
const DELAY_MS = 400;
/** A busy machine delays single loads; the network here is the same each time. */
const ROUNDS = 3;

interface Load {
  /** Of all answers with their headers, as they were transferred. */
  readonly bytes: number;
  /** From the beginning of the navigation to the first contentful paint. */
  readonly paintMs: number;
}

describe('pages over a slow network', function () {
  this.timeout(90_000 * PATIENCE);
  const site = useSite();

  async function load(person: Person, path: string): Promise<Load> {
    const cdp = await person.context.newCDPSession(person.page);
    await cdp.send('Network.enable');
    await cdp.send('Network.setCacheDisabled', { cacheDisabled: true });
    const throughput = (KBIT_PER_S * 1_000) / 8;
    await cdp.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: DELAY_MS,
      downloadThroughput: throughput,
      uploadThroughput: throughput,
    });
    let bytes = 0;
    cdp.on('Network.loadingFinished', ({ encodedDataLength }) => (bytes += encodedDataLength));
    await person.page.goto(path, { waitUntil: 'load' });
    const paintMs = await until('the first paint', async () =>
      person.page.evaluate<number | undefined>(
        `performance.getEntriesByName('first-contentful-paint')[0]?.startTime`,
      ),
    );
    await cdp.detach();
    return { bytes, paintMs };
  }

  /** The quickest paint of some rounds, and the most bytes. No round remembers the one before. */
  async function best(path: string, cookie?: string): Promise<Load> {
    const loads: Load[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const person = await site.arrive(DESK, 'slow', cookie === undefined ? {} : { cookie });
      loads.push(await load(person, path));
      person.complaints.expectNone(path);
    }
    // Answers that a script asks for may come later than the page: the most that was seen counts.
    return {
      bytes: Math.max(...loads.map(({ bytes }) => bytes)),
      paintMs: Math.min(...loads.map(({ paintMs }) => paintMs)),
    };
  }

  it(`the front page is seen within 2.5 s, and has at most 40 KB, at ${KBIT_PER_S} kbit/s`, async () => {
    const { bytes, paintMs } = await best('/');
    expect(bytes).to.be.within(1_000, 40_000);
    expect(paintMs).to.be.within(DELAY_MS, 2_500);
  });

  it(`a link with statistics is seen within 4 s, and has at most 100 KB, at ${KBIT_PER_S} kbit/s`, async () => {
    const { cookie, full } = await furnish(site);
    const { bytes, paintMs } = await best(`/urls/${full}`, cookie);
    expect(bytes).to.be.within(1_000, 100_000);
    expect(paintMs).to.be.within(DELAY_MS, 4_000);
  });

  it('a page for visitors has at most 15 KB', async () => {
    const { bytes } = await best('/nosuchkey');
    expect(bytes).to.be.within(500, 15_000);
  });
});
