import { expect } from 'chai';
import * as fc from 'fast-check';
import { mustFill, watermarks } from '../../producer/pools/watermarks.ts';
import { planRefill, type PoolView } from '../../producer/reign/refill-policy.ts';

const LIMITS = { lowFloor: 2_000, highFloor: 5_000, highCeiling: 50_000, minutesHeld: 5 };

describe('watermarks', () => {
  const cases: [what: string, drainPerSecond: number, low: number, high: number][] = [
    ['no takes: the floors', 0, 2_000, 5_000],
    ['a slow drain stays on the floors', 10, 2_000, 5_000],
    ['five minutes of the drain', 100, 12_000, 30_000],
    ['a fast drain stops at the ceiling', 10_000, 20_000, 50_000],
  ];
  for (const [what, drainPerSecond, low, high] of cases) {
    it(what, () => expect(watermarks(drainPerSecond, LIMITS)).to.deep.equal({ low, high }));
  }

  it('keeps low below high for any limits', () => {
    fc.assert(
      fc.property(
        fc.nat(1e6),
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: 1, max: 1e6 }),
        (drain, lowFloor, highFloor, highCeiling) => {
          const { low, high } = watermarks(drain, { lowFloor, highFloor, highCeiling, minutesHeld: 5 });
          expect(low).to.be.lessThan(high);
          expect(high).to.be.at.most(highCeiling);
        },
      ),
    );
  });
});

describe('mustFill', () => {
  const cases: [what: string, level: number, wasFilling: boolean, held: number, filling: boolean][] = [
    ['starts at the low watermark', 2_000, false, 1, true],
    ['does not start above it', 2_001, false, 1, false],
    ['continues above it once begun', 2_001, true, 1, true],
    ['ends when full', 5_000, true, 1, false],
    ['ends when the share of the deficit is not worth a batch', 4_850, true, 4, false],
    ['continues for the same deficit when alone', 4_850, true, 1, true],
  ];
  for (const [what, level, wasFilling, held, filling] of cases) {
    it(what, () => expect(mustFill({ level, low: 2_000, high: 5_000 }, wasFilling, held)).to.equal(filling));
  }
});

describe('planRefill', () => {
  const pool = (name: string, over: Partial<PoolView> = {}): PoolView => ({
    name,
    isHealthy: true,
    level: 0,
    queued: 0,
    isFilling: true,
    low: 2_000,
    high: 5_000,
    ...over,
  });

  const cases: [what: string, pools: PoolView[], held: number, batchSize: number, plan: unknown][] = [
    ['no pool in need', [pool('a', { isFilling: false })], 1, 9_999, undefined],
    ['no pool at all', [], 1, 9_999, undefined],
    ['an unhealthy pool is no target', [pool('a', { isHealthy: false })], 1, 9_999, undefined],
    ['the whole deficit when alone', [pool('a')], 1, 9_999, { targets: ['a'], count: 5_000 }],
    ['its share when four hold', [pool('a')], 4, 9_999, { targets: ['a'], count: 1_250 }],
    ['never more than a batch', [pool('a'), pool('b')], 1, 3_000, { targets: ['a', 'b'], count: 3_000 }],
    ['queued keys count', [pool('a', { queued: 4_000 })], 1, 9_999, { targets: ['a'], count: 1_000 }],
    ['a queue that covers the share is enough', [pool('a', { queued: 1_250 })], 4, 9_999, undefined],
    [
      'evenly, as many as the fullest target lacks',
      [pool('a'), pool('b', { level: 4_000 })],
      1,
      9_999,
      { targets: ['a', 'b'], count: 2_000 },
    ],
    ['the smallest worthwhile part', [pool('a', { level: 4_990 })], 1, 9_999, { targets: ['a'], count: 50 }],
  ];
  for (const [what, pools, held, batchSize, plan] of cases) {
    it(what, () =>
      expect(planRefill(pools, { heldShards: held, batchSize, spare: 1_000 })).to.deep.equal(plan),
    );
  }

  const above = { level: 2_001 };
  const hurries: [what: string, pools: PoolView[], spare: number, count: number | undefined][] = [
    ['at the low watermark: all that is needed', [pool('a', { level: 2_000 })], 0, 3_000],
    ['one of two at it', [pool('a', { level: 2_000 }), pool('b', above)], 0, 5_998],
    ['above it: the spare keys', [pool('a', above)], 700, 700],
    ['above it: no more than is needed', [pool('a', above)], 7_000, 2_999],
    [
      'above it: nothing if the spare keys are not worth a batch',
      [pool('a', above), pool('b', above)],
      99,
      undefined,
    ],
    ['above it: nothing if the rest is not worth a batch', [pool('a', above)], 2_950, undefined],
    ['above it: a small batch when no more is needed', [pool('a', { level: 4_990 })], 50, 50],
  ];
  for (const [what, pools, spare, count] of hurries) {
    it(what, () => {
      expect(planRefill(pools, { heldShards: 1, batchSize: 9_999, spare })?.count).to.equal(count);
    });
  }

  it('fills any set of pools in bounded rounds, overshooting by no more than a small part', () => {
    const levels = fc.array(fc.integer({ min: 0, max: 6_000 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(levels, fc.integer({ min: 1, max: 5 }), (start, held) => {
        const now = [...start];
        let rounds = 0;
        const filling = start.map(() => true);
        for (;;) {
          now.forEach((level, i) => {
            filling[i] = mustFill({ level, low: 2_000, high: 5_000 }, filling[i] ?? false, held);
          });
          const views = now.map((level, i) => pool(String(i), { level, isFilling: filling[i] ?? false }));
          const plan = planRefill(views, { heldShards: held, batchSize: 20_000, spare: 20_000 });
          if (!plan) break;
          rounds += 1;
          expect(rounds).to.be.at.most(60 * start.length);
          for (const target of plan.targets)
            now[Number(target)] = (now[Number(target)] ?? 0) + Math.ceil(plan.count / plan.targets.length);
        }
        now.forEach((level, i) => {
          expect(level).to.be.greaterThan(2_000);
          expect(level).to.be.at.most(Math.max(start[i] ?? 0, 5_050));
        });
      }),
    );
  });
});
