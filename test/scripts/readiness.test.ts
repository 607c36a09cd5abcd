import { expect } from 'chai';
import type { Addresses } from '../../scripts/cluster/environment.ts';
import { awaitedOf, explainShortage } from '../../scripts/cluster/readiness.ts';
import { DEFAULT_SHAPE } from '../../scripts/cluster/shape.ts';

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

describe('what a cluster is waited for', () => {
  const addresses: Addresses = {
    zookeeper: '127.0.0.1:2181',
    zookeeperAuth: 'keymill:secret',
    redis: [],
    keysDbs: [{ name: 'keys-db-1', url: 'mysql://127.0.0.1/keys_db_1' }],
    urlsDbs: [],
    usersDb: { url: 'mysql://127.0.0.1/users' },
  };
  const all = {
    shape: DEFAULT_SHAPE,
    counts: { producers: 3, mappers: 2, processesPerMapper: 1 },
    addresses,
  };
  const byCounter = { ...all, addresses: { ...addresses, keySource: 'counter' as const } };

  it('all of it, where mappers take keys from the pools, or the pools are to be filled', () => {
    expect(awaitedOf(all, false)).to.deep.equal(all);
    expect(awaitedOf(byCounter, true)).to.deep.equal(byCounter);
  });

  it('no ZooKeeper, producers and pools, where keys come by counter', () => {
    const { shape, counts, addresses: awaited } = awaitedOf(byCounter, false);
    expect(shape).to.deep.equal({ ...DEFAULT_SHAPE, zookeepers: 0 });
    expect(counts).to.deep.equal({ ...all.counts, producers: 0 });
    expect(awaited).to.include({ zookeeper: '', keySource: 'counter' });
  });
});
