import { expect } from 'chai';
import { until } from '../until.ts';
import { testCluster, untilFilled, type Cluster } from './cluster.ts';

const SHARDS = ['keys-db-1', 'keys-db-2', 'keys-db-3', 'keys-db-4'];

describe('balance between producers', function () {
  this.timeout(120_000);
  let cluster: Cluster;

  before(async () => {
    cluster = await testCluster({
      keysDbs: 4,
      env: { KEYMILL_PRODUCER_CAPACITY: '2', KEYMILL_SESSION_TIMEOUT_MS: '4000' },
    });
  });

  after(async () => cluster[Symbol.asyncDispose]());

  async function owners(): Promise<Map<string, string>> {
    const locks = await cluster.locks();
    return new Map([...locks].map(([shard, { owner }]) => [shard, owner ?? '?']));
  }

  async function loads(): Promise<number[]> {
    const held = [...(await owners()).values()];
    const ids = [...(await cluster.members()).keys()];
    return ids.map((id) => held.filter((owner) => owner === id).length).sort((a, b) => a - b);
  }

  async function untilLoads(expected: number[]): Promise<void> {
    await until(
      `loads ${expected.join(' ')}`,
      async () => JSON.stringify(await loads()) === JSON.stringify(expected),
      { timeoutMs: 30_000, everyMs: 50 },
    );
  }

  it('three producers of capacity two share four shards, none above its capacity', async () => {
    for (const id of ['producer-1', 'producer-2', 'producer-3']) cluster.start(id);
    await untilLoads([1, 1, 2]);
    expect([...(await owners()).keys()].sort()).to.deep.equal(SHARDS);
    await untilFilled(cluster);
  });

  it('a fourth producer gets one shard, and no other moves', async () => {
    const before = await owners();
    cluster.start('producer-4');
    await untilLoads([1, 1, 1, 1]);
    const after = await owners();
    expect(SHARDS.filter((shard) => before.get(shard) !== after.get(shard))).to.have.length(1);
  });

  it('a drained producer gives all shards back and takes none, until the drain is undone', async () => {
    const before = await owners();
    const admin = (await cluster.members()).get('producer-4')?.admin ?? '';
    await fetch(`${admin}/drain`, { method: 'POST' });
    await untilLoads([0, 1, 1, 2]);
    const after = await owners();
    expect([...after.values()]).not.to.include('producer-4');
    expect(SHARDS.filter((shard) => before.get(shard) !== after.get(shard))).to.have.length(1);
    await fetch(`${admin}/drain`, { method: 'POST', body: '{"drained":false}' });
    await untilLoads([1, 1, 1, 1]);
  });

  it('moves no shard once the load is balanced', async () => {
    const locks = async () => [...(await cluster.locks()).values()].map(({ czxid }) => czxid);
    const before = await locks();
    const start = performance.now();
    await until('two session timeouts to pass', async () => {
      expect(await locks()).to.deep.equal(before);
      return performance.now() - start > 4_000;
    });
  });
});
