import { expect } from 'chai';
import { explainShortage } from '../../scripts/cluster/readiness.ts';

describe('explainShortage', () => {
  it('names the cause when the producers cannot hold every shard', () => {
    expect(explainShortage([2], 4)).to.equal(
      'The cause: one producer holds at most 2 of the 4 shards. ' +
        'Start more with --producers, or raise KEYMILL_PRODUCER_CAPACITY.',
    );
    expect(explainShortage([2, 0], 4)).to.include('2 producers hold at most 2 of the 4 shards');
  });

  it('names no cause when the producers have room for every shard', () => {
    expect(explainShortage([2, 2], 4)).to.equal(undefined);
    expect(explainShortage([3, 3], 4)).to.equal(undefined);
  });
});
