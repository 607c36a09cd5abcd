import { expect } from 'chai';
import { SMALL_CLUSTER } from '../../runtime/dashboard/small-cluster.ts';
import { AS_OPERATOR } from '../admin-token.ts';
import { openPage } from '../runtime/dashboard/open-page.ts';
import { until } from '../until.ts';
import { send, shorten } from './client.ts';
import { viaProxy } from './faulty.ts';
import { createWorld, type World } from './world.ts';

describe('dashboard of a mapper', () => {
  let world: World;

  before(async () => {
    world = await createWorld({ keys: 50, hasUsers: true });
  });

  after(async () => world[Symbol.asyncDispose]());

  const look = async (admin: string): Promise<string> =>
    (await send('GET', `${admin}/dashboard`, { headers: AS_OPERATOR })).text;

  describe('of a small cluster', () => {
    /** The first of two mappers, which shows the page. */
    let adminUrl: string;
    let urls: Awaited<ReturnType<typeof viaProxy<World['urls'][number]>>>[];

    before(async () => {
      urls = await Promise.all(world.urls.map(viaProxy));
      const small = { zookeeper: undefined, stores: { keySource: 'counter', urlsDbs: urls } } as const;
      const [first] = await Promise.all([
        world.start({ ...small, id: 'small-1' }),
        world.start({ ...small, id: 'small-2' }),
      ]);
      adminUrl = first.adminUrl;
    });

    after(async () => {
      for (const { proxy } of urls) await proxy.stop();
    });

    it('it says plainly what is missing, and shows the counter, all mappers and what they have left', async () => {
      const page = await until('both mappers to be registered', async () => {
        const text = await look(adminUrl);
        return text.includes('All is well') && text.includes('id="mappers-small-2"') && text;
      });
      for (const sentence of SMALL_CLUSTER) expect(page).to.contain(sentence);
      for (const id of ['shards', 'pools', 'zookeeper', 'producers'])
        expect(page).not.to.contain(`<section id="${id}"`);
      expect(page).to.match(/Keys by counter[^]*?[\d,]+ of [\d,]{9,} reserved by mappers/);
      for (const id of ['small-1', 'small-2']) {
        const row = new RegExp(`<tr[^>]*id="mappers-${id}"[^]*?</tr>`).exec(page)?.[0] ?? '';
        expect(row)
          .to.contain('ready')
          .and.match(/data-title="Keys left"\s+class="figure">\s*[1-9][\d,]*\s*</);
        expect(row).to.contain('http://127.0.0.1:');
      }
      expect(page).to.contain('id="stores-urls-2"');
    });

    it('its headline names a urls server that mappers cannot use, until they can', async function () {
      this.timeout(60_000);
      await using page = await openPage(adminUrl);
      const headline = (): string => page.textOf('alarms');
      await until('all to be well', () => headline().includes('All is well'));
      urls[0]?.proxy.silence();
      // One of them may notice it first.
      const both = /fault[^]*urls-1<\/strong>\s*not used by small-1, small-2/;
      await until('the headline to say so', () => both.test(headline()));
      expect(headline()).not.to.contain('All is well');
      urls[0]?.proxy.heal();
      await until('all to be well again', () => headline().includes('All is well'));
    });
  });

  it('while ZooKeeper does not answer it says so, and stays', async () => {
    const { url, adminUrl } = await world.start({ id: 'alone' });
    expect((await shorten(url, { long_url: 'https://example.com/' })).status).to.equal(201);
    const page = await look(adminUrl);
    expect(page).to.contain('No answer from ZooKeeper');
    expect(page).to.match(/id="pools-redis-1"[^]*?ok/);
    await using open = await openPage(adminUrl);
    await until('the rates of this mapper', () => open.textOf('mappers-alone').includes('ready'));
    expect(open.isOpen).to.equal(true);
  });

  it('tells of no Redis that answers again, when somebody only begins to look', async () => {
    const { adminUrl } = await world.start({ id: 'beginner', zookeeper: undefined });
    await using page = await openPage(adminUrl);
    await until('the pool to be ok', () => /ok/.test(page.textOf('pools-redis-1')));
    await until('the figures of the next look', () => page.textOf('mappers-beginner').includes('ready'));
    expect(page.textOf('events')).not.to.contain('answers again');
  });

  it('shows markup in names as text', async () => {
    const name = 'urls-<b onmouseover=alert(1)>';
    const urlsDbs = world.urls.map((urls, index) => (index === 0 ? { ...urls, name } : urls));
    const { adminUrl } = await world.start({ zookeeper: undefined, stores: { urlsDbs } });
    const page = await look(adminUrl);
    expect(page).to.contain('urls-&lt;b onmouseover').and.not.contain('<b onmouseover');
  });
});
