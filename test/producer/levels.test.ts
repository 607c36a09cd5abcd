import { expect } from 'chai';
import type { Pool } from '../../db/redis/pool.ts';
import { PoolLevels } from '../../producer/pools/levels.ts';
import { until } from '../until.ts';

const LIMITS = { lowFloor: 100, highFloor: 1_000, highCeiling: 1_000_000, minutesHeld: 5 };

describe('levels of the pools', () => {
  it('spread the drain of the fullest pool evenly, so that it gets no higher watermarks', async () => {
    const levels = new PoolLevels(
      ['redis-1', 'redis-2'].map((name) => ({ name }) as Pool),
      LIMITS,
    );
    expect(levels.secondsLeft).to.equal(Infinity);
    let level = 1_000_000;
    await until('a drain is measured', () => {
      level -= 1_000;
      levels.observe('redis-1', level);
      levels.observe('redis-2', 500);
      return levels.all().every(({ high }) => high > 2 * LIMITS.highFloor);
    });
    const [first, second] = levels.all();
    expect(first?.high).to.be.within(0.9 * (second?.high ?? 0), 1.1 * (second?.high ?? 0));
    expect(levels.secondsLeft).to.be.greaterThan(0).and.lessThan(1e6);
  });
});
