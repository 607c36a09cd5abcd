import { expect } from 'chai';
import { openKeysDb } from '../../db/keys-db/keys-db.ts';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { log, openKeysDbAt, testKeysDb } from './keys-db-fixture.ts';
import { rejection } from './rejection.ts';
import { startWire, through } from './wire.ts';

const LOCK = { ensemble: 'ensemble-a', owner: 'producer-1' };

describe('keys-db: identity', () => {
  it('is recorded by the first program, and verified by all others', async () => {
    await using test = await testKeysDb({ region: 2 });
    await Promise.all([test.db.verify(), test.db.verify()]);
    expect(await test.sql.query('SELECT key_length, region_bits, region FROM keyspace')).to.deep.equal([
      { key_length: 8, region_bits: 10, region: 2 },
    ]);
  });

  const others: [
    string,
    string,
    { region?: number; length?: number; secret?: string; regionBits?: number },
  ][] = [
    ['another secret', 'KEYMILL_KEY_SECRET', { secret: 'another secret of the tests' }],
    ['another key length', 'key_length 8, the configuration says 9', { length: 9 }],
    ['another number of region bits', 'region_bits 10, the configuration says 9', { regionBits: 9 }],
    [
      'another shard, as when two names point at one database',
      'region 0, the configuration says 1',
      { region: 1 },
    ],
  ];
  for (const [what, reason, { region = 0, ...options }] of others) {
    it(`refuses ${what}`, async () => {
      await using test = await testKeysDb();
      const other = createKeyspace({
        length: 8,
        secret: 'a secret of the tests',
        regionBits: 10,
        ...options,
      });
      await using db = openKeysDb({ name: 'keys-db-x', url: test.url, region, keyspace: other, log });
      const error = await rejection(db.verify());
      expect(error).to.have.property('code', 'MISMATCH');
      expect(error.message).to.contain(reason).and.not.contain('secret of the tests');
    });
  }

  it('is not recorded for a database that holds keys already', async () => {
    await using test = await testKeysDb();
    await test.db.generate({ count: 10 });
    await test.sql.execute('DELETE FROM keyspace');
    expect(await rejection(test.db.verify())).to.have.property('code', 'MISMATCH');
  });

  it('of an unreachable database fails soon, as an unavailable store', async () => {
    await using db = openKeysDbAt('mysql://a:b@127.0.0.1:1/x');
    expect(await rejection(db.verify())).to.have.property('code', 'STORE_UNAVAILABLE');
  });
});

describe('keys-db: reigns', () => {
  it('begin at epoch 1 and rise by one with every later lock', async () => {
    await using test = await testKeysDb();
    expect(await test.db.ownership()).to.include({
      epoch: 0,
      czxid: 0n,
      ensemble: undefined,
      owner: undefined,
    });
    expect(await test.db.raiseEpoch({ ...LOCK, czxid: 10n })).to.equal(1);
    expect(await test.db.raiseEpoch({ ...LOCK, czxid: 11n, owner: 'producer-2' })).to.equal(2);
    expect(await test.db.ownership()).to.include({
      epoch: 2,
      czxid: 11n,
      ensemble: 'ensemble-a',
      owner: 'producer-2',
    });
  });

  it('give the same epoch again when the answer was lost and the raise is repeated', async () => {
    await using test = await testKeysDb();
    expect(await test.db.raiseEpoch({ ...LOCK, czxid: 10n })).to.equal(1);
    expect(await test.db.raiseEpoch({ ...LOCK, czxid: 10n })).to.equal(1);
  });

  it('raise the epoch once when the answer is cut off', async () => {
    await using test = await testKeysDb();
    await using wire = await startWire(test.url);
    await using db = openKeysDbAt(through(wire, test.url));
    wire.cutBeforeReplyTo((sent) => sent.includes('UPDATE ownership'));
    expect(await db.raiseEpoch({ ...LOCK, czxid: 10n })).to.equal(1);
    wire.cutBeforeReplyTo((sent) => sent.includes('UPDATE ownership'));
    expect(await db.raiseEpochAbove({ czxid: 10n, floor: 5 })).to.equal(6);
    expect(wire.accepted, 'connections: two were cut').to.equal(3);
    expect(await test.db.ownership()).to.include({ epoch: 6, czxid: 10n });
  });

  it('do not begin for a contender that was paused while a later lock was taken', async () => {
    await using test = await testKeysDb();
    await test.db.raiseEpoch({ ...LOCK, czxid: 11n });
    expect(await test.db.raiseEpoch({ ...LOCK, czxid: 10n })).to.equal(undefined);
    expect(await test.db.ownership()).to.include({ epoch: 1, czxid: 11n });
  });

  it('compare czxids exactly beyond 2^53', async () => {
    await using test = await testKeysDb();
    const large = 2n ** 62n;
    expect(await test.db.raiseEpoch({ ...LOCK, czxid: large + 1n })).to.equal(1);
    expect(await test.db.raiseEpoch({ ...LOCK, czxid: large })).to.equal(undefined);
    expect(await test.db.raiseEpoch({ ...LOCK, czxid: large + 2n })).to.equal(2);
    expect((await test.db.ownership()).czxid).to.equal(large + 2n);
  });

  it('of contenders at the same time get different epochs, and only the latest lock keeps its reign', async () => {
    await using test = await testKeysDb();
    const czxids = Array.from({ length: 20 }, (_, i) => BigInt(100 + i));
    const epochs = await Promise.all(czxids.map((czxid) => test.db.raiseEpoch({ ...LOCK, czxid })));
    const begun = epochs.filter((epoch) => epoch !== undefined);
    expect(new Set(begun).size).to.equal(begun.length);
    expect(await test.db.ownership()).to.include({ czxid: 119n, epoch: Math.max(...begun) });
  });

  it('under another ZooKeeper are refused until an operator adopts it', async () => {
    await using test = await testKeysDb();
    await test.db.raiseEpoch({ ...LOCK, czxid: 500n });
    const error = await rejection(test.db.raiseEpoch({ ...LOCK, ensemble: 'ensemble-b', czxid: 900n }));
    expect(error).to.have.property('code', 'MISMATCH');
    expect(error.message).to.contain('zookeeper adopt');
    await test.db.adoptEnsemble('ensemble-b');
    await test.db.adoptEnsemble('ensemble-b');
    expect(await test.db.ownership()).to.include({ epoch: 2, czxid: 0n, ensemble: 'ensemble-b' });
    expect(await test.db.raiseEpoch({ ...LOCK, ensemble: 'ensemble-b', czxid: 3n })).to.equal(3);
  });

  it('are raised above the epochs that a Redis stores, after a restore from a backup', async () => {
    await using test = await testKeysDb();
    await test.db.raiseEpoch({ ...LOCK, czxid: 10n });
    expect(await test.db.raiseEpochAbove({ czxid: 10n, floor: 41 })).to.equal(42);
    expect(await test.db.raiseEpochAbove({ czxid: 10n, floor: 41 })).to.equal(42);
    expect(await test.db.raiseEpochAbove({ czxid: 10n, floor: 7 })).to.equal(42);
    expect(await test.db.raiseEpoch({ ...LOCK, czxid: 11n })).to.equal(43);
    expect(await rejection(test.db.raiseEpochAbove({ czxid: 10n, floor: 99 }))).to.have.property(
      'code',
      'FENCED',
    );
  });
});
