import { expect } from 'chai';
import { audit } from '../../db/audit/audit.ts';
import { hasLooseEnd } from '../../db/keyspace/loose-ends.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { openMysql } from '../../db/mysql/mysql.ts';
import { openPool } from '../../db/redis/pool.ts';
import { openUrlsDb } from '../../db/urls/links.ts';
import { testSystem, type TestSystem } from './audit-fixture.ts';
import { partsFor, keyspace, log } from './keys-db-fixture.ts';
import { rejection } from './rejection.ts';
import { UPPER } from './urls-fixture.ts';

const CLEAN = { leaked: 0, unknown: 0, duplicates: 0, repeated: 0, aliases: 0, recycled: 0, balanced: true };

/** Takes all keys out of both pools. */
async function takeAll(system: TestSystem): Promise<string[]> {
  const taken = await Promise.all(system.pools.map(async (pool) => (await pool.take(100_000)).keys));
  return taken.flat();
}

describe('audit', () => {
  it('finds no issued keys in a new system, and is balanced', async () => {
    await using system = await testSystem();
    const report = await audit(system.sources);
    expect(report).to.deep.include({
      ...CLEAN,
      issued: 0,
      unused: 4_000,
      bound: 0,
      pooled: 0,
      unreachable: [],
    });
  });

  it('counts every issued key in the place that it has reached', async () => {
    await using system = await testSystem();
    await system.issue(0, 1_000);
    await system.issue(1, 500);
    const [shard] = system.shards;
    await shard?.db.claim({ epoch: 1, count: 200, parts: partsFor(2) });
    const taken = (await system.pools[0]?.take(300))?.keys ?? [];
    await system.bind(taken.slice(0, 180));
    system.reserves.set('mapper-1', taken.slice(180, 250));
    system.reserves.set('mapper-2', taken.slice(250));
    await system.bind(['an-alias', 'another_alias'], { alias: true });
    const report = await audit(system.sources);
    const { claimedTo } = (await shard?.db.ownership()) ?? {};
    const used = (await shard?.db.counts())?.used ?? 0;
    expect(claimedTo).to.equal(1_200);
    const issued = used + ((await system.shards[1]?.db.counts())?.used ?? 0);
    expect(report).to.deep.include({ ...CLEAN, aliases: 2, issued, unused: 4_000 - issued });
    expect(report).to.include({ bound: 180, reserved: 120 });
    // Of 200 ids, about 12 have a key with a loose end.
    expect(report.pending).to.be.within(170, 200);
    expect(report.pooled).to.equal(issued - report.pending - 300);
  });

  it('finds every key that a killed mapper took with it', async () => {
    await using system = await testSystem();
    const issued = await system.issue(0, 800);
    const lost = (await system.pools[1]?.take(37))?.keys ?? [];
    const report = await audit(system.sources);
    expect(report).to.include({ leaked: 37, unknown: 0, pooled: issued.length - 37, balanced: true });
    await system.bind(lost.slice(0, 7));
    expect(await audit(system.sources)).to.include({ leaked: 30, bound: 7, balanced: true });
  });

  it('counts the keys of undelivered parts as pending, but not those of delivered parts', async () => {
    await using system = await testSystem();
    const { db } = system.shards[0] ?? expect.fail();
    const batch = await db.claim({ epoch: 1, count: 400, parts: partsFor(1) });
    await db.markDelivered(batch ?? expect.fail(), [0]);
    const report = await audit(system.sources);
    expect(report.pending).to.be.within(150, 250);
    expect(report.pending + report.leaked).to.equal(report.issued);
  });

  it('calls missing keys unknown while a mapper does not answer', async () => {
    await using system = await testSystem();
    await system.issue(0, 100);
    await takeAll(system);
    system.reserves.set('mapper-1', undefined);
    const report = await audit(system.sources);
    expect(report).to.include({ leaked: 0, unknown: report.issued, balanced: true });
    expect(report.unreachable).to.deep.equal(['mapper-1']);
  });

  it('calls missing keys unknown while a pool does not answer, and still finds the rest', async () => {
    await using system = await testSystem();
    const issued = await system.issue(0, 400);
    const [first = expect.fail()] = system.pools;
    await using dead = openPool({ name: 'redis-2', url: 'redis://127.0.0.1:1', log });
    const report = await audit({ ...system.sources, pools: [first, dead] });
    expect(report.unreachable).to.deep.equal(['redis-2']);
    expect(report).to.include({
      leaked: 0,
      issued: issued.length,
      pooled: await first.level(),
      balanced: true,
    });
    expect(report.unknown).to.equal(issued.length - report.pooled);
  });

  it('calls missing keys unknown while a urls server does not answer', async () => {
    await using system = await testSystem();
    await system.issue(0, 400);
    const keys = await takeAll(system);
    await system.bind(keys);
    const [first = expect.fail()] = system.urlsDbs;
    const dead = openUrlsDb({
      name: 'urls-2',
      url: 'mysql://a:b@127.0.0.1:1/x',
      slots: UPPER,
      log,
      timeoutMs: 300,
    });
    const report = await audit({ ...system.sources, urlsDbs: [first, dead] });
    await dead.close();
    expect(report.unreachable).to.deep.equal(['urls-2']);
    const onFirst = keys.filter((key) => slotOf(key) < 16).length;
    expect(report).to.include({ bound: onFirst, unknown: keys.length - onFirst, leaked: 0 });
  });

  it('fails while a keys-db does not answer', async () => {
    await using system = await testSystem();
    await system.shards[1]?.db.close();
    expect(await rejection(audit(system.sources))).to.have.property('code', 'STORE_UNAVAILABLE');
  });

  it('finds a key with rows on two urls servers', async () => {
    await using system = await testSystem();
    await system.issue(0, 300);
    const keys = await takeAll(system);
    await system.bind(keys);
    const misplaced = keys.filter((key) => slotOf(key) < 16).slice(0, 3);
    await using other = openMysql(system.urlsDbUrls[1] ?? '', { name: 'urls-2' });
    for (const key of misplaced) {
      const columns = 'slot, unique_id, original_url, created_at, request_id';
      await other.execute(`INSERT INTO urls (${columns}) VALUES (?, ?, 'https://x.org/', NOW(), ?)`, [
        slotOf(key),
        key,
        Buffer.alloc(16),
      ]);
    }
    const report = await audit(system.sources);
    expect(report).to.include({ duplicates: 3, bound: keys.length, leaked: 0, balanced: true });
  });

  it('counts an alias that spells an issued key as bound and as an alias', async () => {
    await using system = await testSystem();
    const issued = await system.issue(0, 300);
    await system.bind(issued.slice(0, 2), { alias: true });
    const report = await audit(system.sources);
    expect(report).to.include({
      bound: 2,
      aliases: 2,
      repeated: 2,
      pooled: issued.length - 2,
      balanced: true,
    });
  });

  it('is not balanced when a pool key is bound that was never issued. An alias may spell such a key', async () => {
    await using system = await testSystem();
    await system.issue(0, 300);
    const future = keyspace.keysOf(0, 1_500, 2);
    await system.bind(future.slice(0, 1), { alias: true });
    expect(await audit(system.sources)).to.include({ balanced: true, aliases: 1, bound: 0 });
    await system.bind(future.slice(1));
    expect(await audit(system.sources)).to.include({ balanced: false });
  });

  it('is not balanced when issued keys have vanished from a keys-db', async () => {
    await using system = await testSystem();
    await system.issue(0, 300);
    await system.shards[0]?.sql.execute('DELETE FROM `keys` WHERE id BETWEEN 100 AND 110');
    expect(await audit(system.sources)).to.include({ balanced: false });
  });

  it('counts the keys with loose ends that an earlier release generated, like any other', async () => {
    await using system = await testSystem();
    const [shard = expect.fail()] = system.shards;
    const rows = keyspace.keysOf(0, 1, 300).flatMap((key, i) => (hasLooseEnd(key) ? [[i + 1, key]] : []));
    await shard.sql.execute('INSERT INTO `keys` (id, unique_id) VALUES ?', [rows.slice(3)]);
    const issued = await system.issue(0, 300);
    expect(issued.filter(hasLooseEnd)).to.have.length(rows.length - 3);
    const total = issued.length;
    expect(await audit(system.sources)).to.include({ issued: total, pooled: total, balanced: true });
    expect(await shard.db.counts()).to.deep.equal({ used: total, unused: 2_000 + rows.length - 3 - total });
    await shard.sql.execute('DELETE FROM `keys` WHERE id = ?', [keyspace.locate(issued[0] ?? '')?.id ?? 0]);
    expect(await audit(system.sources)).to.include({ balanced: false });
  });

  it('counts a key that was seen in two places once, in the furthest', async () => {
    await using system = await testSystem();
    const issued = await system.issue(0, 300);
    const keys = await takeAll(system);
    await system.bind(keys.slice(0, 20));
    // As after a restore of Redis from an old snapshot: bound keys and reserved keys are in the pool again.
    await system.pools[0]?.putBack(keys);
    system.reserves.set('mapper-1', keys.slice(15, 40));
    const report = await audit(system.sources);
    expect(report).to.include({
      bound: 20,
      reserved: 20,
      pooled: issued.length - 40,
      repeated: 40,
      balanced: true,
    });
  });

  it('looks twice before it calls a key leaked: a mapper that stops puts its keys back against the flow', async () => {
    await using system = await testSystem();
    const issued = await system.issue(0, 300);
    const [pool = expect.fail()] = system.pools;
    const { keys } = await pool.take(20);
    const reserves = async (): Promise<[]> => {
      if (keys.length > 0) await pool.putBack(keys.splice(0));
      return [];
    };
    const report = await audit({ ...system.sources, reserves });
    expect(report).to.include({ leaked: 0, pooled: issued.length, balanced: true });
  });

  it('is balanced and finds nothing leaked while keys flow, are put back, and are bound', async function () {
    this.timeout(60_000);
    await using system = await testSystem({ keysPerShard: 60_000 });
    await system.issue(0, 25_000);
    await system.issue(1, 25_000);
    const over = new AbortController();
    const mapper = async (name: string): Promise<void> => {
      while (!over.signal.aborted) {
        for (const pool of system.pools) {
          const { keys } = await pool.take(64);
          system.reserves.set(name, keys);
          await system.bind(keys.slice(0, 40));
          await pool.putBack(keys.slice(40));
          system.reserves.set(name, []);
        }
      }
    };
    const producer = async (shard: number): Promise<void> => {
      for (let i = 0; i < 8 && !over.signal.aborted; i += 1) await system.issue(shard, 2_000);
    };
    const flow = Promise.all([mapper('mapper-1'), mapper('mapper-2'), producer(0), producer(1)]);
    for (let round = 0; round < 4; round += 1) {
      const report = await audit(system.sources);
      expect(report).to.include({ unknown: 0, duplicates: 0, balanced: true });
      // In this test a key can be in flight between LPOP and the reserve. The second look limits how many.
      expect(report.leaked).to.be.at.most(2 * 64);
    }
    over.abort();
    await flow;
    expect(await audit(system.sources)).to.include({ leaked: 0, pending: 0, balanced: true });
  });
});
