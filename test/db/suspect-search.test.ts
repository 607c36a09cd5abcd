import { expect } from 'chai';
import { SuspectSearch, type SuspectSearchOptions } from '../../db/audit/suspect-search.ts';
import { openMysql } from '../../db/mysql/mysql.ts';
import { until } from '../until.ts';
import { searchOptions, testSystem, type TestSystem } from './audit-fixture.ts';
import { keyspace } from './keys-db-fixture.ts';
import { rejection } from './rejection.ts';

function searchOf(
  system: TestSystem,
  quarantineMs: number,
  options: Partial<SuspectSearchOptions> = {},
): SuspectSearch {
  return new SuspectSearch({ ...searchOptions(system), quarantineMs, ...options });
}

async function ageSuspects(system: TestSystem): Promise<void> {
  await system.shards[0]?.sql.execute('UPDATE suspects SET first_seen = first_seen - INTERVAL 1 HOUR');
}

describe('search for suspects', () => {
  it('records missing keys, and returns them as due only if they are still missing after the quarantine', async () => {
    await using system = await testSystem();
    await system.issue(0, 300);
    const { keys: lost } = (await system.pools[0]?.take(5)) ?? expect.fail();
    const ids = lost.map((key) => keyspace.locate(key)?.id ?? 0).sort((a, b) => a - b);
    const search = searchOf(system, 60_000);
    expect(await search.run()).to.deep.include({ isComplete: true, missing: 5, due: [] });
    expect(await system.shards[0]?.db.suspects()).to.deep.equal(ids);
    await ageSuspects(system);
    expect(await search.run()).to.deep.include({ missing: 5, due: ids });
  });

  it('forgets a suspect that was found, so that its time starts again', async () => {
    await using system = await testSystem();
    await system.issue(0, 300);
    const [pool = expect.fail()] = system.pools;
    const { keys: lost } = await pool.take(3);
    const search = searchOf(system, 60_000);
    await search.run();
    await ageSuspects(system);
    await pool.putBack(lost.slice(0, 2));
    await system.bind(lost.slice(2));
    expect(await search.run()).to.deep.include({ missing: 0, due: [] });
    expect(await system.shards[0]?.db.suspects()).to.deep.equal([]);
    await pool.take(1);
    expect(await search.run()).to.deep.include({ missing: 1, due: [] });
  });

  it('concludes nothing while a mapper, or the list of mappers, does not answer', async () => {
    await using system = await testSystem();
    await system.issue(0, 300);
    await system.pools[0]?.take(5);
    const search = searchOf(system, 0);
    system.reserves.set('mapper-1', undefined);
    expect(await search.run()).to.deep.include({ isComplete: false, unreachable: ['mapper-1'], due: [] });
    system.reserves.set('mapper-1', []);
    const reserves = async (): Promise<never> => Promise.reject(new Error('no session'));
    const blind = searchOf(system, 0, { reserves });
    expect(await blind.run()).to.deep.include({ isComplete: false, unreachable: ['mappers'], due: [] });
    expect(await system.shards[0]?.db.suspects()).to.deep.equal([]);
  });

  it('looks twice before it calls a key missing: a mapper that stops puts its keys back against the flow', async () => {
    await using system = await testSystem();
    await system.issue(0, 300);
    const [pool = expect.fail()] = system.pools;
    const { keys } = await pool.take(20);
    const keysDb = system.shards[0]?.db ?? expect.fail();
    // In no pool when the pools were read, in no reserve when the mappers are asked.
    const reserves = async (): Promise<[]> => {
      if (keys.length > 0) await pool.putBack(keys.splice(0));
      return [];
    };
    const search = searchOf(system, 0, { reserves });
    expect(await search.run()).to.deep.include({ isComplete: true, missing: 0 });
    expect(await keysDb.suspects()).to.deep.equal([]);
  });

  it('does not record a range as settled while one of its keys is missing or on its way', async () => {
    await using system = await testSystem({ keysPerShard: 12_000 });
    await system.issue(0, 11_000);
    const keys = (await Promise.all(system.pools.map(async (pool) => (await pool.take(50_000)).keys))).flat();
    const [first = '', ...others] = keys.filter((key) => (keyspace.locate(key)?.id ?? 0) <= 10_000);
    await system.bind(others);
    const search = searchOf(system, 60_000);
    await search.run();
    const keysDb = system.shards[0]?.db ?? expect.fail();
    expect(await keysDb.settledRanges(), 'one is missing').to.deep.equal([]);
    system.reserves.set('mapper-1', [first]);
    await search.run();
    expect(await keysDb.settledRanges(), 'one is in reserve').to.deep.equal([]);
    await system.bind([first]);
    system.reserves.set('mapper-1', []);
    await search.run();
    expect(await keysDb.settledRanges()).to.deep.equal([0]);
  });

  it('lets a due key be claimed again, which is then pending and no suspect, and ends bound exactly once', async () => {
    await using system = await testSystem();
    await system.issue(0, 300);
    await system.pools[0]?.take(5);
    const search = searchOf(system, 0);
    const due = await until('the suspects to be due', async () => {
      const result = await search.run();
      return result.due.length === 5 ? result.due : undefined;
    });
    const { db } = system.shards[0] ?? expect.fail();
    const parts = [{ pool: 'redis-1', seq: 9 }];
    const batch = (await db.claimRecycled({ epoch: 1, ids: due, parts })) ?? expect.fail();
    expect(await search.run(), 'pending is not missing').to.deep.include({ missing: 0, due: [] });
    await db.markDelivered(batch, [0]);
    await system.bind((await db.keysOf(batch)).map(({ key }) => key));
    expect(await search.run()).to.deep.include({ missing: 0, due: [] });
    expect(await db.recycledCount()).to.equal(5);
  });

  it('does not search settled ranges again, and neither does the successor', async () => {
    await using system = await testSystem({ keysPerShard: 30_000 });
    await system.issue(0, 25_000);
    const keys = (await Promise.all(system.pools.map(async (pool) => (await pool.take(50_000)).keys))).flat();
    const first = keys.filter((key) => (keyspace.locate(key)?.id ?? 0) <= 10_000);
    await system.bind(first);
    system.reserves.set(
      'mapper-1',
      keys.filter((key) => !first.includes(key)),
    );
    const search = searchOf(system, 0);
    expect(await search.run()).to.include({ isComplete: true, missing: 0 });
    expect(await system.shards[0]?.db.settledRanges()).to.deep.equal([0]);
    // Deletes a row of a settled range: it would be missing if the range were searched again.
    for (const [i, url] of system.urlsDbUrls.entries()) {
      await using sql = openMysql(url, { name: `urls-${i + 1}` });
      await sql.execute('DELETE FROM urls');
    }
    expect(await search.run()).to.include({ isComplete: true, missing: 0 });
    expect(await searchOf(system, 0).run()).to.include({ isComplete: true, missing: 0 });
  });

  it('stops on its signal', async () => {
    await using system = await testSystem();
    await system.issue(0, 300);
    const stop = AbortSignal.abort(new Error('enough'));
    expect((await rejection(searchOf(system, 0).run(stop))).message).to.equal('enough');
  });
});
