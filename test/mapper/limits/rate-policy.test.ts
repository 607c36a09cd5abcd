import { expect } from 'chai';
import { BlockedClients } from '../../../mapper/limits/blocked-clients.ts';
import { MemoryCounts } from '../../../mapper/limits/memory-counts.ts';
import { createLimit, judgeCount, stateOf } from '../../../mapper/limits/rate-policy.ts';

describe('the policy of limits', () => {
  /** Count and time left of the minute; what follows with 30 requests a minute. */
  const TABLE: readonly (readonly [number, number, { isAllowed: boolean; state: string; retry: number }])[] =
    [
      [1, 60_000, { isAllowed: true, state: 'r=29;t=60', retry: 60 }],
      [29, 30_001, { isAllowed: true, state: 'r=1;t=31', retry: 31 }],
      [30, 30_000, { isAllowed: true, state: 'r=0;t=30', retry: 30 }],
      [31, 1_000, { isAllowed: false, state: 'r=0;t=1', retry: 1 }],
      [1_000_000, 0, { isAllowed: false, state: 'r=0;t=1', retry: 1 }],
      // What another store says is bounded.
      [31, 1e9, { isAllowed: false, state: 'r=0;t=60', retry: 60 }],
      [31, -5, { isAllowed: false, state: 'r=0;t=1', retry: 1 }],
    ];
  for (const [count, remainingMs, { isAllowed, state, retry }] of TABLE)
    it(`${isAllowed ? 'lets in' : 'refuses'} request ${count} with ${remainingMs} ms left`, () => {
      const limit = createLimit('anonymous', 30);
      expect(limit.policy).to.equal('"anonymous";q=30;w=60');
      const quota = judgeCount(limit, { count, remainingMs });
      expect(quota).to.include({ isAllowed, seconds: retry });
      expect(stateOf(quota)).to.equal(`"anonymous";${state}`);
    });
});

describe('counts in memory', () => {
  it('begin again a minute after the first request of a client', () => {
    let nowMs = 0;
    const counts = new MemoryCounts(() => nowMs);
    expect(counts.hit('a')).to.deep.equal({ count: 1, remainingMs: 60_000 });
    nowMs = 59_999;
    expect(counts.hit('a')).to.deep.equal({ count: 2, remainingMs: 1 });
    expect(counts.hit('b')).to.deep.equal({ count: 1, remainingMs: 60_000 });
    nowMs = 60_000;
    expect(counts.hit('a')).to.deep.equal({ count: 1, remainingMs: 60_000 });
    expect(counts.hit('b').count).to.equal(2);
  });

  it('forget the clients whose minute is over', () => {
    let nowMs = 0;
    const counts = new MemoryCounts(() => nowMs);
    for (let client = 0; client < 1_000; client += 1) counts.hit(`client ${client}`);
    nowMs = 60_000;
    counts.hit('another');
    expect(counts.size).to.equal(1);
  });

  it('are bounded: of too many clients the oldest are forgotten', () => {
    const counts = new MemoryCounts(() => 0, { maxClients: 3 });
    for (const client of ['a', 'b', 'c', 'd']) counts.hit(client);
    expect(counts.size).to.equal(3);
    expect(counts.hit('d').count).to.equal(2);
    expect(counts.hit('a').count).to.equal(1);
  });
});

describe('blocked clients', () => {
  it('are blocked until the time is over', () => {
    let nowMs = 5;
    const blocked = new BlockedClients(() => nowMs);
    expect(blocked.remainingMs('a')).to.equal(0);
    blocked.block('a', 100);
    nowMs = 100;
    expect(blocked.remainingMs('a')).to.equal(5);
    expect(blocked.remainingMs('b')).to.equal(0);
    nowMs = 105;
    expect(blocked.remainingMs('a')).to.equal(0);
  });
});
