import { expect } from 'chai';
import { AS_OPERATOR } from '../admin-token.ts';
import { openPage } from '../runtime/dashboard/open-page.ts';
import { until } from '../until.ts';
import { send, shorten } from './client.ts';
import { createWorld, type World } from './world.ts';

describe('dashboard of a mapper', () => {
  let world: World;

  before(async () => {
    world = await createWorld({ keys: 50 });
  });

  after(async () => world[Symbol.asyncDispose]());

  const look = async (admin: string): Promise<string> =>
    (await send('GET', `${admin}/dashboard`, { headers: AS_OPERATOR })).text;

  it('without ZooKeeper, pools and keys-dbs it says plainly what is missing', async () => {
    const { adminUrl } = await world.start({ zookeeper: undefined, stores: { keySource: 'counter' } });
    const page = await look(adminUrl);
    expect(page).to.contain('There is no ZooKeeper').and.contain('keymill grow');
    expect(page).to.contain('Keys come by counter');
    for (const id of ['shards', 'pools', 'zookeeper', 'producers'])
      expect(page).not.to.contain(`<section id="${id}"`);
    expect(page).to.contain('id="mappers-mapper-1"').and.contain('id="stores-urls-2"');
  });

  it('while ZooKeeper does not answer it says so, and stays', async () => {
    const { url, adminUrl } = await world.start();
    expect((await shorten(url, { long_url: 'https://example.com/' })).status).to.equal(201);
    const page = await look(adminUrl);
    expect(page).to.contain('No answer from ZooKeeper');
    expect(page).to.match(/id="pools-redis-1"[^]*?ok/);
    await using open = await openPage(adminUrl);
    await until('the rates of this mapper', () => open.textOf('mappers-mapper-2').includes('ready'));
    expect(open.isOpen).to.equal(true);
  });

  it('shows markup in names as text', async () => {
    const name = 'urls-<b onmouseover=alert(1)>';
    const urlsDbs = world.urls.map((urls, index) => (index === 0 ? { ...urls, name } : urls));
    const { adminUrl } = await world.start({ zookeeper: undefined, stores: { urlsDbs } });
    const page = await look(adminUrl);
    expect(page).to.contain('urls-&lt;b onmouseover').and.not.contain('<b onmouseover');
  });
});
