import { expect } from 'chai';
import { Redis } from 'ioredis';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { openPool, type Pool } from '../../db/redis/pool.ts';
import { until } from '../until.ts';
import { log, testCluster, untilFilled, untilHeld, untilReady, type Cluster } from './cluster.ts';
import { reignOver } from './reigning.ts';

const SHARD = 'keys-db-1';
const STATE = `producer:${SHARD}`;

describe('producers and a Redis with impossible values', function () {
  this.timeout(60_000);
  let cluster: Cluster;
  let redis: Redis;

  beforeEach(async () => {
    cluster = await testCluster();
    await cluster.keysDbs[0]?.verify();
    redis = new Redis(cluster.redis[0]?.url ?? '');
  });

  afterEach(async () => {
    redis.disconnect();
    await cluster[Symbol.asyncDispose]();
  });

  async function untilLevel(index: number, low: number): Promise<void> {
    const level = async (): Promise<number> => (await cluster.pools[index]?.level()) ?? 0;
    await until(`pool ${index} above ${low}`, async () => (await level()) > low);
  }

  async function epochInMysql(): Promise<number | undefined> {
    return (await cluster.keysDbs[0]?.ownership())?.epoch;
  }

  const impossible: [
    string,
    (client: Redis) => Promise<unknown>,
    mend: (client: Redis) => Promise<unknown>,
  ][] = [
    ...['9007199254740992', 'abc', '-1', '4.5', '1e3', '99999999999', ''].map(
      (epoch): (typeof impossible)[number] => [
        `epoch ${JSON.stringify(epoch)}`,
        async (client) => client.hset(STATE, { epoch, seq: 0 }),
        async (client) => client.del(STATE),
      ],
    ),
    ...['9007199254740992', '99999999999', 'x'].map((seq): (typeof impossible)[number] => [
      `seq ${JSON.stringify(seq)}`,
      async (client) => client.hset(STATE, { epoch: 0, seq }),
      async (client) => client.hset(STATE, { seq: 0 }),
    ]),
    ...['9007199254740992', '1e3', 'x'].map((mark): (typeof impossible)[number] => [
      `claimed_to ${JSON.stringify(mark)}`,
      async (client) => client.hset(STATE, { epoch: 0, seq: 0, claimed_to: mark }),
      async (client) => client.hdel(STATE, 'claimed_to'),
    ]),
    [
      'a text instead of its keyspace',
      async (client) => client.set('keyspace', 'x'),
      async (client) => client.del('keyspace'),
    ],
    [
      'a text instead of the hash',
      async (client) => client.set(STATE, 'x'),
      async (client) => client.del(STATE),
    ],
    [
      'a text instead of the pool',
      async (client) => client.set('keys:available', 'x'),
      async (client) => client.del('keys:available'),
    ],
    [
      'an incarnation that no column can hold',
      async (client) => client.set('incarnation', 'x'.repeat(1_000)),
      async (client) => client.del('incarnation'),
    ],
  ];
  for (const [what, plant, mend] of impossible) {
    it(`a reign begins without the pool that has ${what}, and uses it again once it is mended`, async () => {
      await plant(redis);
      await using reigning = await reignOver(cluster);
      await untilLevel(1, 400);
      expect(reigning.reign.isReady).to.equal(true);
      expect(reigning.reign.epoch).to.equal(1);
      expect(await epochInMysql()).to.equal(1);
      expect((await cluster.keysDbs[0]?.logEnd())?.lastSeqs.get('redis-1') ?? 0).to.equal(0);
      const refused = { pool: 'redis-1', shard: SHARD, reason: 'impossible' };
      await until('the refusal', () => reigning.levels.refused.all().length > 0);
      expect(reigning.levels.refused.all()).to.deep.equal([refused]);
      await mend(redis);
      await untilFilled(cluster);
      expect(reigning.levels.refused.all()).to.deep.equal([]);
      expect(reigning.reign.epoch).to.equal(1);
    });
  }

  it('takeover goes on when the holder is killed after an epoch near 2^53 was written, and lifts nothing', async () => {
    const producers = [cluster.start('producer-1'), cluster.start('producer-2')];
    await untilFilled(cluster);
    const { owner, pid, epoch } = await untilHeld(cluster, SHARD);
    await redis.hset(STATE, { epoch: '9007199254740992' });
    process.kill(pid ?? Number.NaN, 'SIGKILL');
    await untilReady(producers, SHARD, epoch ?? 0);
    const next = await untilHeld(cluster, SHARD, epoch ?? 0);
    expect(next.owner).to.be.a('string');
    expect(await epochInMysql()).to.be.below(100);
    const named = producers
      .flatMap(({ lines }) => lines)
      .filter(({ pool, why }) => pool === 'redis-1' && why === 'impossible');
    expect(named, `after ${owner}`).to.not.have.length(0);
    expect(named.length, 'said once in each reign').to.be.at.most(3);
    await cluster.pools[1]?.take(10_000);
    await untilLevel(1, 400);
    await redis.hset(STATE, { epoch: String(next.epoch) });
    await redis.del('keys:available');
    await untilFilled(cluster);
    expect(await epochInMysql()).to.be.below(100);
  });
});

describe('two clusters on one Redis', function () {
  this.timeout(60_000);

  it('the producers of the second one deliver nothing there and say so, and leave the first one alone', async () => {
    await using first = await testCluster({ pools: 1 });
    const holder = first.start('producer-1');
    await untilFilled(first);
    await holder.stop();
    const shared = first.redis[0];
    if (shared === undefined) throw new Error('no Redis');
    await using stack = new AsyncDisposableStack();
    const client = stack.adopt(new Redis(shared.url), (opened) => opened.disconnect());
    const before = await client.lrange('keys:available', 0, -1);
    await client.hset(STATE, { epoch: 700 });

    await using second = await secondCluster(shared);
    const { stores, producer } = second;
    await until('the refusal', () =>
      producer.lines.some(({ pool, why }) => pool === shared.name && why === 'mismatch'),
    );
    await until('a reign', async () => (await stores.locks()).get(SHARD)?.epoch === 1);
    await until('its own pool to be filled', async () => ((await stores.pools[0]?.level()) ?? 0) > 400);
    expect(await client.lrange('keys:available', 0, -1)).to.deep.equal(before);
    expect(await client.hget(STATE, 'epoch')).to.equal('700');
    expect((await stores.keysDbs[0]?.ownership())?.epoch).to.equal(1);
  });

  interface Second extends AsyncDisposable {
    readonly stores: Cluster;
    readonly producer: ReturnType<Cluster['start']>;
  }

  /** A cluster with another secret, a pool of its own, and the pool of the first one. */
  async function secondCluster(shared: { name: string; url: string }): Promise<Second> {
    const secret = 'the secret of another cluster';
    const stores = await testCluster({ pools: 2, env: { KEYMILL_KEY_SECRET: secret } });
    const own = stores.redis[1];
    if (own === undefined) throw new Error('no Redis');
    const keyspace = createKeyspace({ length: 8, secret, regionBits: 10 });
    const pool: Pool = openPool({ ...own, keyspace, log });
    await pool.whenConnected(5_000);
    const KEYMILL_REDIS = `${shared.name}=${shared.url},${own.name}=${own.url}`;
    const producer = stores.start('producer-9', { KEYMILL_REDIS });
    return {
      stores: { ...stores, pools: [pool] },
      producer,
      [Symbol.asyncDispose]: async () => {
        await pool[Symbol.asyncDispose]();
        await stores[Symbol.asyncDispose]();
      },
    };
  }
});
