import { expect } from 'chai';
import { Redis } from 'ioredis';
import { subscribeInvalidations, type Invalidations } from '../../db/redis/invalidation.ts';
import { openPool, type Pool } from '../../db/redis/pool.ts';
import type { FaultyProxy } from '../../drills/proxy/proxy.ts';
import { createLog } from '../../runtime/log.ts';
import { testRedis } from '../servers.ts';
import { ranMs } from '../ran-ms.ts';
import { until } from '../until.ts';
import { randomKey } from './urls-fixture.ts';
import { startWire, through } from './wire.ts';

const log = createLog('test', 'invalidation', 'silent');

describe('invalidation', () => {
  let servers: { name: string; url: string }[];
  let wires: FaultyProxy[];
  let pools: Pool[];

  beforeEach(async () => {
    servers = await testRedis(2);
    wires = await Promise.all(servers.map(async ({ url }) => startWire(url)));
    pools = servers.map((server) => openPool({ ...server, log }));
    for (const pool of pools) await pool.whenConnected(5_000);
  });

  afterEach(async () => {
    for (const pool of pools) await pool[Symbol.asyncDispose]();
    for (const wire of wires) await wire[Symbol.asyncDispose]();
  });

  function listen(): AsyncDisposable & {
    received: string[];
    subscribed: string[];
    heardAgain: string[];
    isHearing: () => boolean;
    announce: Invalidations['announce'];
  } {
    const received: string[] = [];
    const subscribed: string[] = [];
    const heardAgain: string[] = [];
    const subscription = subscribeInvalidations({
      shards: servers.map(({ name, url }, index) => ({
        name,
        url: through(wires[index] as FaultyProxy, url),
        pool: pools[index] as Pool,
      })),
      log,
      onInvalidated: (key) => received.push(key),
      onSubscribed: (server) => subscribed.push(server),
      onHeardAgain: (server) => heardAgain.push(server),
    });
    return {
      received,
      subscribed,
      heardAgain,
      isHearing: () => subscription.isHearing,
      announce: async (keys) => subscription.announce(keys),
      [Symbol.asyncDispose]: async () => subscription[Symbol.asyncDispose](),
    };
  }

  it('reaches every listener through every shard', async () => {
    await using first = listen();
    await using second = listen();
    await until('all subscriptions', () => first.subscribed.length === 2 && second.subscribed.length === 2);
    const key = randomKey();
    expect(await first.announce([key])).to.equal('all');
    // Without waiting: whoever has acknowledged has received.
    for (const { received } of [first, second])
      expect(received.filter((each) => each === key)).to.have.length(2);
  });

  it('still arrives when one shard is cut off from the listener', async () => {
    await using listener = listen();
    await until('both subscriptions', () => listener.subscribed.length === 2);
    wires[0]?.silence();
    const key = randomKey();
    await Promise.all(pools.map(async (pool) => pool.publish('keymill:invalidate', key)));
    await until('the announcement', () => listener.received.includes(key));
  });

  it('reports that a subscription begins again after a cut', async () => {
    await using listener = listen();
    await until('both subscriptions', () => listener.subscribed.length === 2);
    wires[0]?.cut();
    await until('the new subscription', () => listener.subscribed.length === 3);
    expect(listener.subscribed[2]).to.equal('redis-1');
  });

  it('detects a silent subscription, and begins another', async () => {
    await using listener = listen();
    await until('both subscriptions', () => listener.subscribed.length === 2);
    const acceptedBefore = wires[0]?.accepted ?? 0;
    wires[0]?.silence();
    await until('a new connection', () => (wires[0]?.accepted ?? 0) > acceptedBefore);
    wires[0]?.heal();
    await until('the new subscription', () => listener.subscribed.length > 2);
  });

  it('know within half a second that a shard is silent, and tell when it is heard again', async () => {
    await using listener = listen();
    await until('both shards to be heard', () => listener.isHearing());
    wires[1]?.silence();
    const pausedAt = ranMs();
    await until('the silence to be known', () => !listener.isHearing(), { everyMs: 5 });
    expect(ranMs() - pausedAt).to.be.below(600);
    wires[1]?.heal();
    await until('both shards to be heard', () => listener.isHearing());
    expect(listener.heardAgain).to.deep.equal(['redis-2']);
    expect(listener.subscribed, 'on the same connection').to.have.length(2);
  });

  it('does not wait for a process of the release before, which acknowledges nothing', async () => {
    await using listener = listen();
    await until('both subscriptions', () => listener.subscribed.length === 2);
    const old = servers.map(({ url }) => new Redis(url));
    try {
      await Promise.all(old.map(async (client) => client.subscribe('keymill:invalidate')));
      const received: string[] = [];
      for (const client of old) client.on('message', (_channel, key) => received.push(key));
      const key = randomKey();
      const startedMs = ranMs();
      expect(await listener.announce([key])).to.equal('all');
      expect(ranMs() - startedMs).to.be.below(400);
      await until('both announcements', () => received.length === 2);
      expect(received, 'the key alone').to.deep.equal([key, key]);
    } finally {
      for (const client of old) client.disconnect();
    }
  });

  it('acknowledges what others announce, and hears the key that one publishes by hand', async () => {
    await using first = listen();
    await using second = listen();
    await until('all subscriptions', () => first.subscribed.length === 2 && second.subscribed.length === 2);
    const keys = Array.from({ length: 200 }, randomKey);
    const heard = await Promise.all(
      keys.map(async (key, index) => (index % 2 === 0 ? first : second).announce([key])),
    );
    expect(new Set(heard)).to.deep.equal(new Set(['all']));
    expect(new Set(first.received)).to.deep.equal(new Set(keys));
    expect(new Set(second.received)).to.deep.equal(new Set(keys));
    const key = randomKey();
    await pools[0]?.publish('keymill:invalidate', key);
    await until('the announcement', () => second.received.includes(key));
  });

  it('says who has not heard: nobody without a Redis, and not all while one process hangs', async () => {
    await using listener = listen();
    await until('both subscriptions', () => listener.subscribed.length === 2);
    await using deaf = subscribeInvalidations({
      shards: servers.map((server) => ({
        ...server,
        pool: { publish: async () => Promise.reject(new Error('acknowledges nothing')) },
      })),
      log,
      onInvalidated: () => undefined,
      onSubscribed: () => undefined,
      onHeardAgain: () => undefined,
    });
    await until('both processes to be waited for', async () => (await listener.announce(['x'])) === 'some');
    const startedMs = ranMs();
    expect(await listener.announce([randomKey()])).to.equal('some');
    expect(ranMs() - startedMs, 'only the first change waits for it').to.be.below(400);
    expect(await deaf.announce([randomKey()])).to.equal('none');
  });
});
