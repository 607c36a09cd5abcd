import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { IS_LONG } from '../../long.ts';
import { until } from '../../until.ts';
import { expectLastOfEach, largeCluster } from './large-cluster.ts';
import { openPage, type OpenPage } from './open-page.ts';

/**
 * How many pages are open, and what each may cost of a core, with the reading of all sources. All pages share
 * the reading: 16 reach the goal of issue 21, and one page alone pays for all of it.
 */
const SHARES = [
  [1, 0.03],
  [16, 0.01],
] as const;
/** The reports, which are read the most seldom, are read some times meanwhile. */
const MEASURED_MS = 16_000;
/** Then everything has been read and drawn several times, and compiled. */
const WARM_PATCHES = 16;

/** Takes a minute. What drawing alone costs is measured in cost.test.ts, each time. */
if (IS_LONG)
  describe('a dashboard that reads a large cluster', function () {
    this.timeout(180_000);
    const children: ChildProcess[] = [];
    let url: string;

    before(async () => {
      const env = { ...process.env, ...(await largeCluster()) };
      const start = async (file: string): Promise<[unknown]> => {
        const options = { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] as const };
        const child = fork(new URL(file, import.meta.url), [], { ...options, stdio: [...options.stdio] });
        children.push(child);
        const failed = new AbortController();
        child.once('exit', () => failed.abort(new Error(`${file} has ended`)));
        return (await once(child, 'message', { signal: failed.signal })) as [unknown];
      };
      await start('serve-members.ts');
      [{ url }] = (await start('serve-cluster.ts')) as [{ url: string }];
    });

    after(async () => {
      for (const child of children) {
        child.disconnect();
        if (child.exitCode === null) await once(child, 'exit');
      }
    });

    const measure = async (): Promise<number> => {
      const usage = async (): Promise<{ cpuMs: number; atMs: number }> => {
        children[1]?.send('usage');
        return ((await once(children[1] as ChildProcess, 'message')) as [{ cpuMs: number; atMs: number }])[0];
      };
      const before = await usage();
      // What is measured is a time in which nothing is awaited.
      await delay(MEASURED_MS);
      const after = await usage();
      return (after.cpuMs - before.cpuMs) / (after.atMs - before.atMs);
    };

    it('shows all of it', async () => {
      await using page = await openPage(url);
      await until('everything to be read', () => page.textOf('alarms').includes('All is well'), {
        timeoutMs: 60_000,
      });
      expectLastOfEach(page);
    });

    for (const [count, most] of SHARES)
      it(`costs at most ${most * 100} % of a core for each of ${count} open pages`, async function () {
        const pages: OpenPage[] = [];
        for (let opened = 0; opened < count; opened += 1) pages.push(await openPage(url));
        await until('some patches', () => pages.every(({ patches }) => patches > WARM_PATCHES), {
          timeoutMs: 60_000,
        });
        const share = (await measure()) / count;
        for (const page of pages) await page[Symbol.asyncDispose]();
        if (this.test) this.test.title += `: ${(share * 100).toFixed(2)} %`;
        expect(share).to.be.below(most);
      });
  });
