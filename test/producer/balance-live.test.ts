import { expect } from 'chai';
import { askAdmin } from '../../runtime/admin-client.ts';
import { ADMIN_TOKEN } from '../admin-token.ts';
import { send } from '../mapper/client.ts';
import { until } from '../until.ts';
import { testCluster, untilFilled, untilMembers, type Cluster } from './cluster.ts';

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

  async function adminOf(id: string): Promise<string> {
    return (await cluster.members()).get(id)?.admin ?? '';
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
    // Processes start slowly on a busy machine; what is bounded is the balance after that.
    await untilMembers(cluster, 3);
    await untilLoads([1, 1, 2]);
    expect([...(await owners()).keys()].sort()).to.deep.equal(SHARDS);
    await untilFilled(cluster);
  });

  it('a fourth producer gets one shard, and no other moves', async () => {
    const before = await owners();
    cluster.start('producer-4');
    await untilMembers(cluster, 4);
    await untilLoads([1, 1, 1, 1]);
    const after = await owners();
    expect(SHARDS.filter((shard) => before.get(shard) !== after.get(shard))).to.have.length(1);
  });

  it('a web page drains no producer', async () => {
    const admin = await adminOf('producer-4');
    const page = {
      Host: 'evil.example',
      Origin: 'https://evil.example',
      'Content-Type': 'text/plain',
    };
    expect((await send('POST', `${admin}/drain`, { headers: page, body: '{}' })).status).to.equal(403);
    const { 'Content-Type': type } = page;
    expect((await send('POST', `${admin}/drain`, { headers: { 'Content-Type': type } })).status).to.equal(
      401,
    );
    expect((await send('GET', `${admin}/readyz`)).json()).to.include({ drained: false });
  });

  it('a drained producer gives all shards back and takes none, until the drain is undone', async () => {
    const before = await owners();
    const admin = await adminOf('producer-4');
    const drain = async (drained: boolean): Promise<unknown> =>
      askAdmin({ url: admin, token: ADMIN_TOKEN }, 'POST', '/drain', { body: { drained }, timeoutMs: 5_000 });
    await drain(true);
    await untilLoads([0, 1, 1, 2]);
    const after = await owners();
    expect([...after.values()]).not.to.include('producer-4');
    expect(SHARDS.filter((shard) => before.get(shard) !== after.get(shard))).to.have.length(1);
    await drain(false);
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
