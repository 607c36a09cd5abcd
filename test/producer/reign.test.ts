import { expect } from 'chai';
import { Redis } from 'ioredis';
import { openKeysDb } from '../../db/keys-db/keys-db.ts';
import { openPool } from '../../db/redis/pool.ts';
import { FaultyProxy } from '../../drills/proxy/proxy.ts';
import { SMALLEST_SHARE } from '../../producer/pools/watermarks.ts';
import { ranMs } from '../ran-ms.ts';
import { until } from '../until.ts';
import { log, testCluster, untilFilled, type Cluster } from './cluster.ts';
import { reignOver } from './reigning.ts';

const SHARD = 'keys-db-1';

describe('a reign', function () {
  this.timeout(60_000);
  let cluster: Cluster;

  beforeEach(async () => {
    cluster = await testCluster();
    await cluster.keysDbs[0]?.verify();
  });

  afterEach(async () => cluster[Symbol.asyncDispose]());

  function stores() {
    const [keysDb] = cluster.keysDbs;
    const [poolA, poolB] = cluster.pools;
    if (!keysDb || !poolA || !poolB) throw new Error('stores are missing');
    return { keysDb, poolA, poolB };
  }

  async function untilNothingPends(): Promise<void> {
    const { keysDb } = stores();
    await until('every batch to be marked', async () => (await keysDb.pendingBatches()).length === 0);
  }

  async function expectDistinct(): Promise<string[]> {
    const keys = await cluster.pooled();
    expect(new Set(keys).size).to.equal(keys.length);
    return keys;
  }

  it('is released with everything delivered and marked', async () => {
    {
      await using reigning = await reignOver(cluster);
      await untilFilled(cluster);
      expect(await reigning.reign.release()).to.equal('released');
    }
    const { keysDb } = stores();
    expect(await keysDb.pendingBatches()).to.deep.equal([]);
    expect(await expectDistinct()).to.have.length((await keysDb.counts()).used);
  });

  it('delivers what an earlier reign had claimed and not delivered', async () => {
    const { keysDb, poolA, poolB } = stores();
    const epoch = await startEpoch();
    await keysDb.generate({ count: 300 });
    const parts = [poolB, poolA].map(({ name }) => ({ pool: name, seq: 1 }));
    const batch = await keysDb.claim({ epoch, count: 100, parts });
    if (!batch) throw new Error('nothing claimed');
    const claimed = (await keysDb.keysOf(batch)).map(({ key }) => key);
    await using reigning = await reignOver(cluster);
    await until('ready', () => reigning.reign.isReady);
    await untilNothingPends();
    const keys = await expectDistinct();
    expect(claimed.filter((key) => !keys.includes(key))).to.deep.equal([]);
  });

  it('does not deliver again what was delivered and not marked', async () => {
    const { keysDb, poolA } = stores();
    const epoch = await startEpoch();
    await keysDb.generate({ count: 300 });
    const batch = await keysDb.claim({ epoch, count: 100, parts: [{ pool: poolA.name, seq: 1 }] });
    if (!batch) throw new Error('nothing claimed');
    const keys = (await keysDb.keysOf(batch)).map(({ key }) => key);
    await poolA.deliver({ keysDb: SHARD, epoch, seq: 1, keys });
    await poolA.take(1_000);
    await using reigning = await reignOver(cluster);
    await until('ready', () => reigning.reign.isReady);
    await untilNothingPends();
    expect((await cluster.pooled()).filter((key) => keys.includes(key))).to.deep.equal([]);
  });

  it('completes a batch whose last mark was interrupted', async () => {
    const { keysDb, poolA } = stores();
    const epoch = await startEpoch();
    await keysDb.generate({ count: 300 });
    const batch = await keysDb.claim({ epoch, count: 10, parts: [{ pool: poolA.name, seq: 1 }] });
    if (!batch) throw new Error('nothing claimed');
    const keys = (await keysDb.keysOf(batch)).map(({ key }) => key);
    await poolA.deliver({ keysDb: SHARD, epoch, seq: 1, keys });
    await sql(keysDbUrl(), 'UPDATE batches SET delivered = 1');
    await using reigning = await reignOver(cluster);
    await until('ready', () => reigning.reign.isReady);
    await untilNothingPends();
  });

  it('records the loss when a Redis was flushed, and continues to deliver', async () => {
    const { keysDb, poolA, poolB } = stores();
    await using reigning = await reignOver(cluster);
    await untilFilled(cluster);
    await untilNothingPends();
    const { seq } = await poolA.producerState(SHARD);
    await redisOf(poolA.name, (client) => client.flushdb());
    await untilFilled(cluster);
    const [loss] = await keysDb.losses();
    expect(loss).to.include({ pool: poolA.name, fromSeq: 1 });
    expect(loss?.toSeq).to.be.at.least(seq);
    expect((await keysDb.losses()).filter(({ pool }) => pool === poolB.name)).to.deep.equal([]);
    expect(reigning.reign.isReady).to.equal(true);
    await expectDistinct();
  });

  it('records the loss when a Redis was flushed between two reigns', async () => {
    const { keysDb, poolA } = stores();
    {
      await using first = await reignOver(cluster);
      await untilFilled(cluster);
      await first.reign.release();
    }
    await redisOf(poolA.name, (client) => client.flushdb());
    await using second = await reignOver(cluster);
    await untilFilled(cluster);
    expect((await keysDb.losses())[0]).to.include({ pool: poolA.name, fromSeq: 1 });
    await second.reign.release();
    await expectDistinct();
  });

  it('begins above the epoch and seq of a Redis, when its keys-db was restored from a backup', async () => {
    const { keysDb, poolA } = stores();
    await redisOf(poolA.name, (client) => client.hset(`producer:${SHARD}`, { epoch: 41, seq: 700 }));
    await using reigning = await reignOver(cluster);
    await untilFilled(cluster);
    expect(reigning.reign.epoch).to.equal(42);
    expect((await keysDb.ownership()).epoch).to.equal(42);
    expect((await keysDb.logEnd()).lastSeqs.get(poolA.name)).to.be.above(700);
    expect(await keysDb.losses()).to.deep.equal([]);
  });

  it('adopts a claim that lands later than its timeout, before it claims again', async () => {
    const { keysDb, poolA, poolB } = stores();
    // A pool above this level is full. It may stay below 1,000, because gaps in the ids give no keys. As the
    // low watermark, this level is also the one below which every pool is filled.
    const low = 1_000 - SMALLEST_SHARE;
    await using reigning = await reignOver(cluster, { limits: { lowFloor: low } });
    await untilFilled(cluster, low);
    await untilNothingPends();
    const { epoch } = reigning.reign;
    if (epoch === undefined) throw new Error('no epoch');
    const late = await until('a claim before any of the reign’s own', async () => {
      const { seq } = await poolA.producerState(SHARD);
      return keysDb.claim({ epoch, count: 10, parts: [{ pool: poolA.name, seq: seq + 1 }] });
    });
    // The next claim has no part for poolA, so the seq taken there does not reveal the late claim.
    await poolB.take(10_000);
    await untilFilled(cluster, low);
    await untilNothingPends();
    const lateKeys = (await keysDb.keysOf(late)).map(({ key }) => key);
    expect(await poolA.page(0, 10_000)).to.include.members(lateKeys);
    await poolA.take(10_000);
    await untilFilled(cluster, low);
    await untilNothingPends();
    expect(await keysDb.losses()).to.deep.equal([]);
    expect(reigning.reign.isReady).to.equal(true);
  });

  it('is fenced when its keys-db was put back to an earlier state of the same reign', async () => {
    const { poolA, poolB } = stores();
    {
      await using first = await reignOver(cluster);
      await untilFilled(cluster);
      for (let round = 0; round < 3; round += 1) {
        for (const pool of [poolA, poolB]) await pool.take(10_000);
        await untilFilled(cluster);
      }
      await untilNothingPends();
      await sql(keysDbUrl(), 'DELETE FROM batches WHERE id > 1');
      for (const pool of [poolA, poolB]) await pool.take(10_000);
      expect(await first.reign.done).to.equal('fenced');
    }
    await using _ = await reignOver(cluster);
    await untilFilled(cluster);
    await untilNothingPends();
  });

  it('is fenced when a pool that answers late stores a later epoch', async () => {
    const { poolA, poolB } = stores();
    await using reigning = await reignOver(cluster, { pools: [poolA] });
    await until('ready', () => reigning.reign.isReady);
    await redisOf(poolA.name, (client) => client.hset(`producer:${SHARD}`, { epoch: 99 }));
    await poolA.take(10_000);
    expect(await reigning.reign.done).to.equal('fenced');
    expect(await poolB.level()).to.equal(0);
  });

  it('is ready and fills the others while one Redis is down', async () => {
    const { poolA, poolB } = stores();
    const dead = openPool({ name: 'redis-dead', url: 'redis://127.0.0.1:9', log });
    await using reigning = await reignOver(cluster, { pools: [poolA, dead, poolB] });
    const start = ranMs();
    await until('ready', () => reigning.reign.isReady);
    expect(ranMs() - start).to.be.below(1_000);
    await untilFilled(cluster);
    await untilNothingPends();
    await dead[Symbol.asyncDispose]();
  });

  it('fills the others while one Redis hangs, and delivers to that one when it is back', async () => {
    const { keysDb, poolA, poolB } = stores();
    const url = new URL(cluster.redis[0]?.url ?? '');
    await using proxy = await FaultyProxy.start({ host: url.hostname, port: Number(url.port) });
    url.host = `127.0.0.1:${proxy.port}`;
    await using hanging = openPool({ name: poolA.name, url: url.href, log });
    await using _ = await reignOver(cluster, { pools: [hanging, poolB] });
    await untilFilled(cluster);
    proxy.silence();
    const start = ranMs();
    for (let round = 0; round < 5; round += 1) {
      await poolB.take(10_000);
      await until('the other pool to be filled', async () => (await poolB.level()) > 400);
    }
    expect(ranMs() - start).to.be.below(4_000);
    await poolA.take(10_000);
    proxy.heal();
    await untilFilled(cluster);
    await untilNothingPends();
    expect(await keysDb.losses()).to.deep.equal([]);
    await expectDistinct();
  });

  it('neither loses nor repeats a claim whose answer was lost', async () => {
    const { keysDb } = stores();
    const url = new URL(keysDbUrl());
    await using proxy = await FaultyProxy.start({ host: url.hostname, port: Number(url.port) });
    url.host = `127.0.0.1:${proxy.port}`;
    const { keyspace } = cluster;
    const cut = openKeysDb({ name: SHARD, url: url.href, region: 0, keyspace, log });
    const taken: string[] = [];
    {
      await using _ = await reignOver(cluster, { keysDb: cut });
      await untilFilled(cluster);
      for (let round = 0; round < 6; round += 1) {
        proxy.cutBeforeReplyTo((sent) => sent.includes('INSERT INTO batches'));
        for (const pool of cluster.pools) taken.push(...(await pool.take(10_000)).keys);
        await untilFilled(cluster);
      }
      proxy.heal();
      await untilNothingPends();
    }
    await cut.close();
    const delivered = [...taken, ...(await cluster.pooled())];
    expect(new Set(delivered).size).to.equal(delivered.length);
    expect(delivered).to.have.length((await keysDb.counts()).used);
    expect(await keysDb.losses()).to.deep.equal([]);
  });

  it('writes off a part whose pool is no longer configured', async () => {
    const { keysDb, poolA } = stores();
    const epoch = await startEpoch();
    await keysDb.generate({ count: 300 });
    const parts = [{ pool: 'redis-gone', seq: 3 }];
    await keysDb.claim({ epoch, count: 10, parts });
    await using reigning = await reignOver(cluster, { pools: [poolA] });
    await until('ready', () => reigning.reign.isReady);
    await untilNothingPends();
    expect((await keysDb.losses())[0]).to.include({ pool: 'redis-gone', fromSeq: 3, toSeq: 3 });
  });

  it('is over when its lock is deleted by an operator', async () => {
    await using reigning = await reignOver(cluster);
    await until('ready', () => reigning.reign.isReady);
    await cluster.session.remove(`/shard-locks/${SHARD}`, -1);
    expect(await reigning.reign.done).to.equal('lock-gone');
  });

  it('refuses a keys-db of another ensemble', async () => {
    await stores().keysDb.adoptEnsemble('another');
    await using reigning = await reignOver(cluster);
    expect(await reigning.reign.done).to.equal('refused');
  });

  /** The epoch of an earlier reign, with which the test can claim. */
  async function startEpoch(): Promise<number> {
    const first = await reignOver(cluster, { pools: [] });
    await until('an epoch', () => first.reign.isReady);
    const { epoch = 0 } = first.reign;
    await first.abandon();
    return epoch;
  }

  async function redisOf(name: string, work: (client: Redis) => Promise<unknown>): Promise<void> {
    const client = new Redis(cluster.redis.find((shard) => shard.name === name)?.url ?? '');
    await work(client);
    client.disconnect();
  }

  function keysDbUrl(): string {
    return (cluster.env['KEYMILL_KEYS_DBS'] ?? '').replace(/^[^=]*=/, '');
  }
});

async function sql(url: string, statement: string): Promise<void> {
  const { createConnection } = await import('mysql2/promise');
  const connection = await createConnection(url);
  await connection.query(statement);
  await connection.end();
}
