import { expect } from 'chai';
import { isLow, nextBatchSize } from '../../../mapper/keys/batch-size.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

describe('the size of the next batch of the counter', () => {
  for (const [size, lastedMs, next] of [
    [1_000, SECOND, 2_000],
    [1_000, MINUTE - 1, 2_000],
    [1_000, MINUTE, 1_000],
    [1_000, 31 * MINUTE, 1_000],
    [2_000, 30 * MINUTE, 2_000],
    [2_000, 31 * MINUTE, 1_000],
    [64_000, SECOND, 100_000],
    [100_000, SECOND, 100_000],
    [100_000, 10 * MINUTE, 100_000],
    [100_000, 24 * 60 * MINUTE, 50_000],
    [1_500, 31 * MINUTE, 1_000],
  ] as const)
    it(`is ${next} after one of ${size} that lasted ${lastedMs / SECOND} s`, () => {
      expect(nextBatchSize(size, lastedMs)).to.equal(next);
    });

  it('is needed when a tenth of the last one is left', () => {
    expect([101, 100, 0].map((left) => isLow(left, 1_000))).to.deep.equal([false, true, true]);
  });
});
