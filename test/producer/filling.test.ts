import { expect } from 'chai';
import { until } from '../until.ts';
import { testCluster, untilFilled } from './cluster.ts';

describe('a producer', function () {
  this.timeout(60_000);

  it('fills empty pools from an empty keys-db, to the high watermark and not beyond', async () => {
    await using cluster = await testCluster();
    cluster.start('producer-1');
    await untilFilled(cluster);
    await until('the pools to be full', async () => (await cluster.pooled()).length >= 1_900);
    const keys = await cluster.pooled();
    expect(new Set(keys).size).to.equal(keys.length);
    expect(keys.length).to.be.at.most(2_100);
  });
});
