import { expect } from 'chai';
import { array, assert, double, property } from 'fast-check';
import { createRandom } from '../../runtime/random.ts';
import { mean, meanInterval95, median, percentile, upperPercentile } from '../../runtime/statistics.ts';

describe('statistics', () => {
  for (const [samples, share, expected] of [
    [[3], 0.5, 3],
    [[1, 2], 0.5, 1.5],
    [[10, 9, 100], 0, 9],
    [[10, 9, 100], 1, 100],
    [[1, 2, 3, 4, 5], 0.25, 2],
    [[0, 10], 0.99, 9.9],
  ] as const) {
    it(`percentile ${share} of ${samples.join(', ')} is ${expected}`, () => {
      expect(percentile(samples, share)).to.be.closeTo(expected, 1e-9);
    });
  }

  it('the median of an odd number of samples is the middle one', () => {
    expect(median([5, 1, 3])).to.equal(3);
  });

  it('the upper percentile is the greater of two samples, and the maximum of a hundred', () => {
    const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
    expect(upperPercentile([2, 1], 0.5)).to.equal(2);
    expect(upperPercentile([10, 9, 100], 0.5)).to.equal(10);
    expect(upperPercentile(hundred, 0.99)).to.equal(100);
    expect(upperPercentile(hundred, 1)).to.equal(100);
  });

  it('without samples there is no mean, no median and no percentile', () => {
    for (const value of [mean([]), median([]), percentile([], 0.99), upperPercentile([], 0.99)])
      expect(value).to.be.NaN;
  });

  it('the interval of the mean is exact for few samples and the sample itself for one', () => {
    expect(meanInterval95([4])).to.deep.equal([4, 4]);
    const [low, high] = meanInterval95([1, 2, 3]);
    expect(low).to.be.closeTo(2 - 4.303 / Math.sqrt(3), 1e-9);
    expect(high).to.be.closeTo(2 + 4.303 / Math.sqrt(3), 1e-9);
  });

  it('the interval contains the mean, and equals it when all samples agree', () => {
    assert(
      property(
        array(double({ min: 1, max: 1e9, noNaN: true }), { minLength: 2, maxLength: 40 }),
        (samples) => {
          const [low, high] = meanInterval95(samples);
          expect(low).to.be.at.most(mean(samples) * (1 + 1e-9));
          expect(high).to.be.at.least(mean(samples) * (1 - 1e-9));
        },
      ),
    );
    expect(meanInterval95([3, 3, 3])).to.deep.equal([3, 3]);
  });

  it('the interval covers the true mean about 95 times in 100', () => {
    const random = createRandom(5);
    const covered = Array.from({ length: 200 }, () => {
      const [low, high] = meanInterval95(Array.from({ length: 12 }, () => random() + random()));
      return low <= 1 && 1 <= high;
    }).filter(Boolean).length;
    expect(covered).to.be.within(180, 199);
  });
});

describe('random', () => {
  it('gives the same numbers for the same seed, others for another, all in [0, 1)', () => {
    const draw = (seed: number): number[] => Array.from({ length: 1_000 }, createRandom(seed));
    expect(draw(7)).to.deep.equal(draw(7));
    expect(draw(7)).to.not.deep.equal(draw(8));
    expect(draw(7).every((value) => value >= 0 && value < 1)).to.equal(true);
  });

  it('is the sequence of mulberry32', () => {
    const random = createRandom(1);
    expect([random(), random()]).to.deep.equal([0.6270739405881613, 0.002735721180215478]);
  });
});
