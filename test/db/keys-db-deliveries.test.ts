import { expect } from 'chai';
import { until } from '../until.ts';
import { partsFor, reigning, type TestKeysDb } from './keys-db-fixture.ts';
import { rejection } from './rejection.ts';

async function claim(test: TestKeysDb, count: number, seq: number) {
  const batch = await test.db.claim({ epoch: 1, count, parts: partsFor(seq) });
  if (!batch) throw new Error('nothing was left to claim');
  return batch;
}

async function usedIds(test: TestKeysDb): Promise<number[]> {
  const rows = await test.sql.queryArrays<[number]>(
    "SELECT id FROM `keys` WHERE status = 'used' ORDER BY id",
  );
  return rows.map(([id]) => id);
}

describe('keys-db: deliveries', () => {
  it('read the keys of a batch in order, without gaps', async () => {
    await using test = await reigning(1_000);
    await test.sql.execute('DELETE FROM `keys` WHERE id IN (3, 10)');
    const batch = await claim(test, 10, 1);
    const keys = await test.db.keysOf(batch);
    expect(keys.map(({ id }) => id)).to.deep.equal([1, 2, 4, 5, 6, 7, 8, 9]);
    expect(keys.every(({ key }) => key.length === 8)).to.equal(true);
  });

  it('complete a batch with the last part: its keys are used, and it is no longer pending', async () => {
    await using test = await reigning(1_000);
    const [first, second] = [await claim(test, 10, 1), await claim(test, 10, 2)];
    await test.db.markDelivered(first, [1]);
    expect(first.parts.map(({ isDelivered }) => isDelivered)).to.deep.equal([false, true]);
    expect(await usedIds(test)).to.deep.equal([]);
    expect(await test.db.pendingBatches()).to.deep.equal([first, second]);
    await test.db.markDelivered(first, [0]);
    expect(await usedIds(test)).to.deep.equal((await test.db.keysOf(first)).map(({ id }) => id));
    expect(await test.db.pendingBatches()).to.deep.equal([second]);
    await test.db.markDelivered(first, [0, 1]);
    expect(await test.db.pendingBatches()).to.deep.equal([second]);
  });

  it('complete a batch also when its parts are marked at the same time', async () => {
    await using test = await reigning(1_000);
    const batch = await claim(test, 10, 1);
    await Promise.all([test.db.markDelivered(batch, [0]), test.db.markDelivered(batch, [1])]);
    expect(await test.db.pendingBatches()).to.deep.equal([]);
    expect(await usedIds(test)).to.deep.equal((await test.db.keysOf(batch)).map(({ id }) => id));
  });

  it('are completed by the successor when all parts were delivered but not marked', async () => {
    await using test = await reigning(100);
    const batch = await claim(test, 10, 1);
    await test.sql.execute('UPDATE batches SET delivered = 3');
    const [found] = await test.db.pendingBatches();
    expect(found?.parts.every(({ isDelivered }) => isDelivered)).to.equal(true);
    await test.db.markDelivered(found ?? batch, []);
    expect(await test.db.pendingBatches()).to.deep.equal([]);
    expect(await usedIds(test)).to.deep.equal((await test.db.keysOf(batch)).map(({ id }) => id));
  });

  it('recycle a list of keys, which keep their ids and are no longer suspects when delivered', async () => {
    await using test = await reigning(1_000);
    await claim(test, 100, 1);
    await test.db.recordSuspects([5, 50, 70]);
    const request = { epoch: 1, ids: [50, 5, 5], parts: partsFor(2) };
    const batch = (await test.db.claimRecycled(request)) ?? expect.fail();
    expect(batch).to.deep.include({ kind: 'recycled', ids: [5, 50], firstId: 5, lastId: 50 });
    expect((await test.db.keysOf(batch)).map(({ id }) => id)).to.deep.equal([5, 50]);
    expect((await test.db.pendingBatches()).at(-1)).to.deep.equal(batch);
    await test.db.markDelivered(batch, [0, 1]);
    expect(await test.db.dueSuspects(0)).to.deep.equal([70]);
    const next = await claim(test, 10, 3);
    expect(next, 'the claim mark has not moved').to.include({ firstId: 101 });
  });

  it('refuse to recycle a key that was never claimed', async () => {
    await using test = await reigning(1_000);
    await claim(test, 100, 1);
    expect(
      await rejection(test.db.claimRecycled({ epoch: 1, ids: [101], parts: partsFor(2) })),
    ).to.have.property('code', 'STORE_REFUSED');
  });

  it('record a loss once, and only for the newest reign', async () => {
    await using test = await reigning(0);
    const loss = { pool: 'redis-1', fromSeq: 4, toSeq: 9, incarnation: 'i-1' };
    await test.db.recordLoss({ epoch: 1, ...loss });
    await test.db.recordLoss({ epoch: 1, ...loss });
    expect(await test.db.losses()).to.deep.equal([loss]);
    await test.db.raiseEpoch({ czxid: 20n, ensemble: 'ensemble-a', owner: 'producer-2' });
    expect(await rejection(test.db.recordLoss({ epoch: 1, ...loss, fromSeq: 5 }))).to.have.property(
      'code',
      'FENCED',
    );
  });

  it('record when a suspect was first seen, by the clock of the database', async () => {
    await using test = await reigning(0);
    await test.db.recordSuspects([1, 2, 3]);
    expect(await test.db.dueSuspects(60_000)).to.deep.equal([]);
    await test.sql.execute('UPDATE suspects SET first_seen = first_seen - INTERVAL 50 SECOND');
    await test.db.recordSuspects([2, 3, 4]);
    expect(await test.db.dueSuspects(40_000)).to.deep.equal([1, 2, 3]);
    await test.db.clearSuspects([2]);
    expect(await test.db.dueSuspects(40_000)).to.deep.equal([1, 3]);
    await until('the new one to be due', async () => (await test.db.dueSuspects(20)).includes(4));
  });
});
