import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { until } from '../../until.ts';
import { openPage, type OpenPage } from './open-page.ts';

const PAGES = 8;
const MEASURED_MS = 3_000;
/** Of a core, for each open page. The goal is that of issue 21. */
const MAX_SHARE = 0.01;

interface Usage {
  readonly cpuMs: number;
  readonly atMs: number;
}

describe('what a dashboard of 64 keys-dbs, 16 pools, 20 producers and 20 mappers costs', function () {
  this.timeout(60_000);
  let child: ChildProcess;
  let url: string;

  before(async () => {
    child = fork(new URL('serve-played.ts', import.meta.url), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    [{ url }] = (await once(child, 'message')) as [{ url: string }];
  });

  after(async () => {
    child.disconnect();
    if (child.exitCode === null) await once(child, 'exit');
  });

  const usage = async (): Promise<Usage> => {
    child.send('usage');
    const [answer] = (await once(child, 'message')) as [Usage];
    return answer;
  };

  /** The share of a core that the process uses. Processor time does not grow while others run. */
  const measure = async (): Promise<number> => {
    const before = await usage();
    // What is measured is a time in which nothing is awaited.
    await delay(MEASURED_MS);
    const after = await usage();
    return (after.cpuMs - before.cpuMs) / (after.atMs - before.atMs);
  };

  it(`uses at most ${MAX_SHARE * 100} % of a core for each open page, and nothing without one`, async function () {
    const pages: OpenPage[] = [];
    for (let count = 0; count < PAGES; count += 1) pages.push(await openPage(url));
    await until('every page to be shown', () =>
      pages.every((page) => page.textOf('shards-keys-db-64') !== ''),
    );
    const bytesBefore = pages.reduce((sum, { bytes }) => sum + bytes, 0);
    let share = await measure();
    // The first measurement also warms the compiler up.
    if (share / PAGES > MAX_SHARE) share = await measure();
    const bytes = (pages.reduce((sum, page) => sum + page.bytes, 0) - bytesBefore) / PAGES;
    for (const page of pages) await page[Symbol.asyncDispose]();
    await until('the feed to be closed', async () => (await measure()) < 0.005, {
      timeoutMs: 20_000,
      everyMs: 0,
    });
    const figures = `${((share / PAGES) * 100).toFixed(2)} % of a core and ${Math.round(bytes / 1_000 / (MEASURED_MS / 1_000))} kB/s`;
    this.test?.parent?.tests.forEach((test) => {
      test.title = `${test.title}: ${figures}`;
    });
    expect(share / PAGES).to.be.below(MAX_SHARE);
  });
});
