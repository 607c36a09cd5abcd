import { expect } from 'chai';
import { startAdminPort } from './admin-port.ts';
import { holdLock, openTestCluster, registerProducer } from './cluster.ts';
import { runKeymill } from './run-keymill.ts';

describe('keymill producers drain', () => {
  it('asks the producer, waits until it holds nothing, and names the shards without a holder', async () => {
    await using cluster = await openTestCluster();
    const lock = await holdLock(cluster, 'keys-db-2', 'producer-1');
    await using admin = await startAdminPort({
      'POST /drain': async () => {
        setTimeout(() => void lock.release(), 300);
        return { drained: true };
      },
    });
    await registerProducer(cluster, 'producer-1', admin.url);
    const { exitCode, stdout, stderr } = await runKeymill(
      ['producers', 'drain', 'producer-1', '--json'],
      cluster.env,
    );
    expect(exitCode).to.equal(0);
    expect(JSON.parse(stdout)).to.deep.equal({ id: 'producer-1', drained: true, handedOver: ['keys-db-2'] });
    expect(stderr).to.include('no producer holds keys-db-1, keys-db-2');
    expect(await runKeymill(['producers', 'drain', 'producer-1', '--undo'], cluster.env)).to.include({
      exitCode: 0,
    });
    expect(admin.asked).to.deep.equal(['POST /drain', 'POST /drain']);
  });

  it('exits with 2 for an unknown or a silent producer, and with 1 when the producer refuses', async () => {
    await using cluster = await openTestCluster();
    await using admin = await startAdminPort({ 'POST /drain': () => Promise.reject(new Error('not now')) });
    await registerProducer(cluster, 'producer-1', 'http://127.0.0.1:1');
    await registerProducer(cluster, 'producer-2', admin.url);
    const drain = async (id: string): ReturnType<typeof runKeymill> =>
      runKeymill(['producers', 'drain', id], cluster.env);
    const unknown = await drain('producer-9');
    expect(unknown.exitCode).to.equal(2);
    expect(unknown.stderr).to.include('Choose producer-1, producer-2');
    const silent = await drain('producer-1');
    expect(silent.exitCode).to.equal(2);
    expect(silent.stderr).to.include('producer-1 does not answer at http://127.0.0.1:1');
    const refused = await drain('producer-2');
    expect(refused.exitCode).to.equal(1);
    expect(refused.stderr).to.include('not now');
  });
});

describe('keymill zookeeper adopt', () => {
  interface Adoption {
    ensemble: string;
    keysDbs: { keysDb: string; before: string | null; epoch: number; changed: boolean }[];
    unreachable: string[];
  }

  it('gives a wiped ensemble an id and records it in every keys-db, above all earlier epochs', async () => {
    await using cluster = await openTestCluster();
    const [keysDb] = cluster.keysDbs;
    const before = await keysDb?.raiseEpoch({ czxid: 99n, ensemble: 'the old one', owner: 'producer-1' });
    const adopt = async (): Promise<Adoption> => {
      const { exitCode, stdout } = await runKeymill(['zookeeper', 'adopt', '--json'], cluster.env);
      expect(exitCode).to.equal(0);
      return JSON.parse(stdout) as Adoption;
    };
    const first = await adopt();
    expect(first.unreachable).to.deep.equal([]);
    expect(first.keysDbs[0]).to.deep.include({ keysDb: 'keys-db-1', before: 'the old one', changed: true });
    expect(first.keysDbs[0]?.epoch).to.be.above(before ?? 0);
    expect(first.keysDbs[1]).to.deep.include({ keysDb: 'keys-db-2', before: null, changed: true });
    const again = await adopt();
    expect(again.ensemble).to.equal(first.ensemble);
    expect(again.keysDbs.map(({ changed }) => changed)).to.deep.equal([false, false]);
    expect(again.keysDbs.map(({ epoch }) => epoch)).to.deep.equal(first.keysDbs.map(({ epoch }) => epoch));
    const next = await keysDb?.raiseEpoch({ czxid: 1n, ensemble: first.ensemble, owner: 'producer-2' });
    expect(next, 'a lock of the new ensemble begins a reign, however small its czxid').to.be.above(
      before ?? 0,
    );
  });

  it('names a silent keys-db, exit code 2', async () => {
    await using cluster = await openTestCluster();
    const env = {
      ...cluster.env,
      KEYMILL_KEYS_DBS: `${cluster.env['KEYMILL_KEYS_DBS']},keys-db-3=mysql://u:hidden@127.0.0.1:1/none`,
    };
    const { exitCode, stdout, stderr } = await runKeymill(['zookeeper', 'adopt', '--json'], env);
    expect(exitCode).to.equal(2);
    const adoption = JSON.parse(stdout) as Adoption;
    expect(adoption.unreachable).to.deep.equal(['keys-db-3']);
    expect(adoption.keysDbs).to.have.length(2);
    expect(stderr).not.to.include('hidden');
  });
});
