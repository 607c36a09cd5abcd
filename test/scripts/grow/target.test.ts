import { expect } from 'chai';
import { DEFAULT_SHAPE, SMALL_SHAPE } from '../../../scripts/cluster/shape.ts';
import { atLeast, TARGET } from '../../../scripts/grow/target.ts';

describe('the numbers after a step', () => {
  const counts = { producers: 0, mappers: 1, processesPerMapper: 2 };

  it('rise to those of a full cluster', () => {
    expect(atLeast(counts, { mappers: TARGET.mappers })).to.deep.equal({ ...counts, mappers: 2 });
    const { redis, keysDbs } = TARGET.shape;
    expect(atLeast(SMALL_SHAPE, { redis, keysDbs })).to.deep.equal({ ...SMALL_SHAPE, redis, keysDbs });
  });

  it('never fall', () => {
    expect(atLeast({ ...counts, mappers: 4 }, { mappers: TARGET.mappers }).mappers).to.equal(4);
    const larger = { ...DEFAULT_SHAPE, redis: 6, keysDbs: 8 };
    expect(atLeast(larger, { redis: 4, keysDbs: 4 })).to.deep.equal(larger);
  });
});
