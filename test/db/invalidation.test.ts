import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { publishInvalidation, subscribeInvalidations } from '../../db/redis/invalidation.ts';
import { openPool, type Pool } from '../../db/redis/pool.ts';
import type { FaultyProxy } from '../../drills/proxy/proxy.ts';
import { createLog } from '../../runtime/log.ts';
import { testRedis } from '../servers.ts';
import { until } from '../until.ts';
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
  } {
    const received: string[] = [];
    const subscribed: string[] = [];
    const heardAgain: string[] = [];
    const subscription = subscribeInvalidations({
      servers: servers.map(({ name, url }, index) => ({
        name,
        url: through(wires[index] as FaultyProxy, url),
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
      [Symbol.asyncDispose]: async () => subscription[Symbol.asyncDispose](),
    };
  }

  function randomKey(): string {
    return randomBytes(6).toString('base64url');
  }

  it('reaches every listener through every shard', async () => {
    await using first = listen();
    await using second = listen();
    await until('all subscriptions', () => first.subscribed.length === 2 && second.subscribed.length === 2);
    const key = randomKey();
    expect(await publishInvalidation(pools, key)).to.equal(2);
    for (const { received } of [first, second]) {
      await until('both announcements', () => received.filter((each) => each === key).length === 2);
    }
  });

  it('still arrives when one shard is cut off from the listener', async () => {
    await using listener = listen();
    await until('both subscriptions', () => listener.subscribed.length === 2);
    wires[0]?.silence();
    const key = randomKey();
    await publishInvalidation(pools, key);
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
    const pausedAt = performance.now();
    await until('the silence to be known', () => !listener.isHearing(), { everyMs: 5 });
    expect(performance.now() - pausedAt).to.be.below(600);
    wires[1]?.heal();
    await until('both shards to be heard', () => listener.isHearing());
    expect(listener.heardAgain).to.deep.equal(['redis-2']);
    expect(listener.subscribed, 'on the same connection').to.have.length(2);
  });

  it('reports 0 when no shard can be reached', async () => {
    await using away = openPool({ name: 'redis-9', url: 'redis://127.0.0.1:1', log });
    expect(await publishInvalidation([away], randomKey())).to.equal(0);
  });
});
