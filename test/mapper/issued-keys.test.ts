import { expect } from 'chai';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { IssuedKeys } from '../../mapper/keys/issued-keys.ts';

const FAR = 2 ** 30;

describe('which keys may have been issued', () => {
  const keyspace = createKeyspace({ length: 8, secret: 'a secret for tests only', regionBits: 10 });
  let nowMs: number;
  let issued: IssuedKeys;

  beforeEach(() => {
    nowMs = 1_000_000;
    issued = new IssuedKeys({
      keyspace,
      keysDbs: [
        { name: 'keys-db-1', region: 0 },
        { name: 'keys-db-3', region: 2 },
      ],
      pools: ['redis-1', 'redis-2'],
      now: () => nowMs,
    });
  });

  function keyAt(region: number, id: number): string {
    return keyspace.keysOf(region, id, 1)[0] ?? '';
  }

  it('none of a region without a keys-db, and no text that is no key', () => {
    expect(issued.mayBeIssued(keyAt(1, 5))).to.equal(false);
    expect(issued.mayBeIssued('my-alias')).to.equal(keyspace.locate('my-alias')?.region === 0);
    expect(issued.mayBeIssued('short')).to.equal(false);
  });

  it('all of a region, until every pool has told its marks', () => {
    expect(issued.mayBeIssued(keyAt(0, FAR))).to.equal(true);
    issued.record('redis-1', [100, undefined]);
    expect(issued.mayBeIssued(keyAt(0, FAR)), 'redis-2 may store a higher one').to.equal(true);
    issued.record('redis-2', [200, undefined]);
    expect(issued.mayBeIssued(keyAt(0, FAR))).to.equal(false);
    expect(issued.mayBeIssued(keyAt(2, FAR)), 'keys-db-3 has no mark yet').to.equal(true);
  });

  it('those up to the highest mark, and those that may follow within seconds', () => {
    issued.record('redis-1', [FAR, 0]);
    issued.record('redis-2', [5, 0]);
    expect(issued.mayBeIssued(keyAt(0, 1))).to.equal(true);
    expect(issued.mayBeIssued(keyAt(0, FAR))).to.equal(true);
    expect(issued.mayBeIssued(keyAt(0, FAR + 1_000_000))).to.equal(true);
    expect(issued.mayBeIssued(keyAt(0, 2 * FAR))).to.equal(false);
    issued.record('redis-1', [undefined, 0]);
    expect(issued.mayBeIssued(keyAt(0, FAR)), 'the pool was flushed').to.equal(true);
  });

  it('all of a region, while a pool has not answered for seconds', () => {
    issued.record('redis-1', [100, 100]);
    issued.record('redis-2', [100, 100]);
    nowMs += 2_000;
    issued.record('redis-2', [100, 100]);
    expect(issued.mayBeIssued(keyAt(0, FAR))).to.equal(false);
    nowMs += 2_000;
    expect(issued.mayBeIssued(keyAt(0, FAR))).to.equal(true);
  });

  it('by counter: up to its mark, and all while the mark was not read for seconds', () => {
    const withCounter = new IssuedKeys({
      keyspace,
      keysDbs: [{ name: 'keys-db-1', region: 0 }],
      pools: ['redis-1'],
      counterRegion: 1_023,
      now: () => nowMs,
    });
    withCounter.record('redis-1', [100]);
    expect(withCounter.mayBeIssued(keyAt(1_023, FAR)), 'no mark yet').to.equal(true);
    withCounter.recordCounter(100);
    expect(withCounter.mayBeIssued(keyAt(1_023, FAR))).to.equal(false);
    expect(withCounter.mayBeIssued(keyAt(1_023, 1_000_100))).to.equal(true);
    nowMs += 2_000;
    withCounter.record('redis-1', [100]);
    nowMs += 2_000;
    expect(withCounter.mayBeIssued(keyAt(1_023, FAR)), 'the mark is old').to.equal(true);
    expect(withCounter.mayBeIssued(keyAt(0, FAR)), 'other regions do not depend on it').to.equal(false);
    expect(issued.mayBeIssued(keyAt(1_023, 1)), 'no users database').to.equal(false);
  });
});
