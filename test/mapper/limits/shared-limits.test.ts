import { expect } from 'chai';
import { Redis } from 'ioredis';
import { testRedis } from '../../servers.ts';
import { shorten } from '../client.ts';
import { createWorld, NO_LIMITS, randomKeys, type TestMapper, type World } from '../world.ts';
import { until } from '../../until.ts';
import { exchange, forwardedFor, getOf, limitsIn, postOf } from './ways.ts';

const ADDRESS = '198.51.100.77';

describe('limits that all mappers share', () => {
  let world: World;
  let mappers: readonly TestMapper[];
  let alone: TestMapper;
  let counts: Redis;

  before(async function () {
    this.timeout(90_000);
    world = await createWorld({ keys: 200 });
    const [redis] = await testRedis(1);
    counts = new Redis(redis?.url ?? '');
    const perMinute = { ...NO_LIMITS.perMinute, anonymous: 4, key: 5, 'sign-in': 3, 'not-found': 4 };
    const limits = { ...NO_LIMITS, perMinute, trustedProxies: ['127.0.0.0/8'], redis };
    mappers = [await world.start({ limits }), await world.start({ limits, hasFastPaths: false })];
    alone = await world.start({
      limits: { ...limits, redis: { name: 'limits', url: 'redis://127.0.0.1:1' } },
    });
    const made = await shorten(alone.url, { long_url: 'https://example.com/', custom_alias: 'known-link' });
    expect(made.status).to.equal(201);
  });

  after(async function () {
    this.timeout(60_000);
    counts.disconnect();
    await world[Symbol.asyncDispose]();
  });

  it('count a client on every mapper, whichever way it is answered', async () => {
    const statuses: number[] = [];
    for (let round = 0; round < 3; round += 1)
      for (const { url } of mappers)
        statuses.push(limitsIn(await exchange(url, postOf(forwardedFor(ADDRESS)))).status);
    expect(statuses).to.deep.equal([201, 201, 201, 201, 429, 429]);
  });

  it('store no address', async () => {
    const names = await counts.keys('limit:*');
    expect(names).to.have.length(1);
    expect(names[0]).not.to.include(ADDRESS);
    expect(await counts.pttl(names[0] ?? '')).to.be.within(1, 60_000);
  });

  it('stop a client on every mapper where it asks for one more link that does not exist', async () => {
    const headers = forwardedFor('198.51.100.78');
    const [first, second] = mappers.map(({ url }) => url) as [string, string];
    for (const key of randomKeys(4)) await exchange(first, getOf(key, headers));
    expect(limitsIn(await exchange(second, getOf(randomKeys(1)[0] ?? '', headers))).status).to.equal(404);
    await until('the second mapper knows it', async () => {
      const { status } = limitsIn(await exchange(second, getOf('known-link', headers)));
      return status === 429;
    });
  });

  it('refuse new links without an account while they are away, and nothing else', async () => {
    const headers = forwardedFor('198.51.100.79');
    const refused = await exchange(alone.url, postOf(headers));
    expect(limitsIn(refused).status).to.equal(503);
    expect(refused).to.include('The store that counts new links');
    expect(limitsIn(await exchange(alone.url, getOf('known-link', headers))).status).to.equal(302);
    // A client without limits needs no count.
    expect((await shorten(alone.url, { long_url: 'https://example.com/' })).status).to.equal(201);
    const ready = (await (await fetch(`${alone.adminUrl}/readyz`)).json()) as { degraded: string[] };
    expect(ready.degraded).to.deep.equal(['limits']);
    expect(await (await fetch(`${alone.adminUrl}/metrics`)).text()).to.match(/^keymill_limits_redis_up 0$/m);
  });
});
