import { expect } from 'chai';
import { until } from '../until.ts';
import { runKeymill } from '../operator/run-keymill.ts';
import { testCluster, untilHeld, untilMembers, type Cluster } from './cluster.ts';

const SHARD = 'keys-db-1';

describe('a drained producer', function () {
  this.timeout(60_000);
  let cluster: Cluster;

  beforeEach(async () => {
    cluster = await testCluster();
  });

  afterEach(() => cluster[Symbol.asyncDispose]());

  async function keymill(...args: string[]): Promise<void> {
    const { exitCode, stderr } = await runKeymill(args, cluster.env);
    expect(exitCode, stderr).to.equal(0);
  }

  async function ownerOf(shard: string): Promise<string | null | undefined> {
    return (await cluster.locks()).get(shard)?.owner;
  }

  it('holds nothing after a crash and after a restart, until it is undrained', async () => {
    const drained = cluster.start('producer-1');
    await untilHeld(cluster, SHARD);
    await keymill('producers', 'drain', 'producer-1');
    expect(await ownerOf(SHARD)).to.equal(undefined);

    const workerPid = (await cluster.members()).get('producer-1')?.pid ?? 0;
    process.kill(workerPid, 'SIGKILL');
    await until('the next worker to know that it is drained', async () => {
      const member = (await cluster.members()).get('producer-1');
      return member !== undefined && member.pid !== workerPid && member.capacity === 0;
    });
    await drained.stop();
    await untilMembers(cluster, 0);
    cluster.start('producer-1');
    await until(
      'the restarted producer to know that it is drained',
      async () => (await cluster.members()).get('producer-1')?.capacity === 0,
    );
    expect(await ownerOf(SHARD)).to.equal(undefined);

    cluster.start('producer-2');
    await untilHeld(cluster, SHARD);
    expect(await ownerOf(SHARD)).to.equal('producer-2');
    await keymill('producers', 'drain', 'producer-2');
    await keymill('producers', 'undrain', 'producer-1');
    await untilHeld(cluster, SHARD);
    expect(await ownerOf(SHARD)).to.equal('producer-1');
  });
});
