import { expect } from 'chai';
import type { FaultyProxy } from '../../drills/proxy/proxy.ts';
import { until } from '../until.ts';
import { send, shorten } from './client.ts';
import { Asked, viaProxy } from './faulty.ts';
import { createWorld, type TestMapper, type World } from './world.ts';

describe('mappers that share their stores', () => {
  let world: World;
  let wires: FaultyProxy[];
  let urls: Asked;
  let one: TestMapper;
  let two: TestMapper;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 2_000 });
    const urlsDbs = await Promise.all(world.urls.map(viaProxy));
    wires = urlsDbs.map(({ proxy }) => proxy);
    urls = new Asked(wires);
    one = await world.start({ stores: { urlsDbs } });
    two = await world.start({ stores: { urlsDbs } });
  });

  after(async function () {
    this.timeout(60_000);
    await world[Symbol.asyncDispose]();
    for (const wire of wires) await wire.stop();
  });

  async function statusFrom(mapper: TestMapper, key: string): Promise<number> {
    return (await send('GET', `${mapper.url}/${key}`)).status;
  }

  it('redirect to exactly the same target, for every link, from both', async () => {
    const targets = Array.from(
      { length: 300 },
      (_, index) => `https://example.com/${index}?q=${index % 7}#${index}`,
    );
    const links = await Promise.all(
      targets.map(async (long_url, index) =>
        (await shorten(index % 2 ? one.url : two.url, { long_url })).json(),
      ),
    );
    expect(new Set(links.map((link) => link['unique_id'])).size).to.equal(300);
    for (const mapper of [one, two]) {
      const found = await Promise.all(
        links.map(
          async (link) => (await send('GET', `${mapper.url}/${String(link['unique_id'])}`)).headers.location,
        ),
      );
      expect(found).to.deep.equal(targets);
    }
  });

  it('see a new alias immediately, although both remember that there was none', async () => {
    for (let round = 0; round < 20; round += 1) {
      const alias = `fresh-${round}`;
      expect([await statusFrom(one, alias), await statusFrom(two, alias)]).to.deep.equal([404, 404]);
      expect(
        (await shorten(one.url, { long_url: 'https://example.com/', custom_alias: alias })).status,
      ).to.equal(201);
      // Without waiting: the alias was acknowledged after both mappers had heard of it.
      expect([await statusFrom(two, alias), await statusFrom(one, alias)]).to.deep.equal([302, 302]);
    }
  });

  it('receive a new alias while one Redis is gone', async () => {
    const alias = 'with-one-redis';
    expect(await statusFrom(two, alias)).to.equal(404);
    await world.redis[0]?.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await shorten(one.url, { long_url: 'https://example.com/', custom_alias: alias });
    await until('the announcement', async () => (await statusFrom(two, alias)) === 302, {
      timeoutMs: 300,
      everyMs: 1,
    });
  });

  it('forget all links when an invalidation may have been missed', async () => {
    const alias = 'edited-link';
    await shorten(one.url, { long_url: 'https://example.com/old', custom_alias: alias });
    expect(await statusFrom(two, alias)).to.equal(302);
    await Promise.all(
      world.urls.map(async ({ sql }) =>
        sql.query("UPDATE urls SET original_url = 'https://example.com/new' WHERE unique_id = ?", [alias]),
      ),
    );
    for (const { client } of world.redis) await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await until(
      'the new target',
      async () => (await send('GET', `${two.url}/${alias}`)).headers.location === 'https://example.com/new',
    );
  });

  it('read a key once for all requests of one moment, whether it exists or not', async () => {
    const known = 'stampede-known';
    await shorten(one.url, { long_url: 'https://example.com/', custom_alias: known });
    for (const [key, status] of [
      [known, 302],
      ['stampede-unknown', 404],
    ] as const) {
      let statuses: number[] = [];
      const reads = await urls.countOf(key, async () => {
        statuses = await Promise.all(Array.from({ length: 200 }, async () => statusFrom(two, key)));
      });
      expect(statuses).to.deep.equal(Array.from({ length: 200 }, () => status));
      // What is announced meanwhile makes a read outdated, and so does the silence of a busy machine.
      expect(reads).to.be.below(25);
    }
  });

  it('ask no store about a text that cannot be a key', async () => {
    const follow = async (): Promise<unknown> => statusFrom(one, 'no.key');
    await until(
      'no server to have codes of others',
      async () => (await urls.countOf('no.key', follow)) === 0,
    );
    const reads = await urls.countOf('no.key', async () => {
      for (let request = 0; request < 100; request += 1) await statusFrom(one, `no.key.${request}`);
    });
    expect(reads).to.equal(0);
  });

  it('count redirects by result and source', async () => {
    await shorten(one.url, { long_url: 'https://example.com/', custom_alias: 'counted' });
    for (let request = 0; request < 3; request += 1) await statusFrom(one, 'counted');
    const { text } = await send('GET', `${one.adminUrl}/metrics`);
    expect(text).to.match(/keymill_redirects_total\{result="found",source="memory"\} [1-9]/);
    expect(text).to.match(/keymill_redirects_total\{result="found",source="db"\} [1-9]/);
    expect(text).to.match(/keymill_bind_batch_size_count [1-9]/);
  });
});
