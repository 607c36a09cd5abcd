import { expect } from 'chai';
import { markDrained, readDrained, watchDrained } from '../../coordinator/drained.ts';
import { holdLock, openTestCluster, registerProducer } from './cluster.ts';
import { runKeymill } from './run-keymill.ts';

describe('keymill producers drain', () => {
  it('marks the producer, waits until it holds nothing, and names the shards without a holder', async () => {
    await using cluster = await openTestCluster();
    const { session, env } = cluster;
    const lock = await holdLock(cluster, 'keys-db-2', 'producer-1');
    await registerProducer(cluster, 'producer-1', 'http://127.0.0.1:1');
    using stack = new DisposableStack();
    const watch = watchDrained(session, 'producer-1', (isDrained) => {
      if (isDrained) void lock.release();
    });
    stack.use(watch);
    const { exitCode, stdout, stderr } = await runKeymill(
      ['producers', 'drain', 'producer-1', '--json'],
      env,
    );
    expect(exitCode).to.equal(0);
    expect(JSON.parse(stdout)).to.deep.equal({ id: 'producer-1', drained: true, handedOver: ['keys-db-2'] });
    expect(stderr).to.include('no producer holds keys-db-1, keys-db-2');
    const { producers } = JSON.parse((await runKeymill(['producers', '--json'], env)).stdout) as {
      producers: { drained: boolean }[];
    };
    expect(producers).to.have.nested.property('[0].drained', true);
    expect(await runKeymill(['producers', 'undrain', 'producer-1'], env)).to.include({ exitCode: 0 });
    expect(await readDrained(session)).to.deep.equal([]);
  });

  it('exits with 2 for an unknown producer; undrains one that does not run any more', async () => {
    await using cluster = await openTestCluster();
    const { session, env } = cluster;
    await registerProducer(cluster, 'producer-1', 'http://127.0.0.1:1');
    for (const verb of ['drain', 'undrain']) {
      const unknown = await runKeymill(['producers', verb, 'producer-9'], env);
      expect(unknown.exitCode).to.equal(2);
      expect(unknown.stderr).to.include('Choose producer-1');
    }
    await markDrained(session, 'producer-9', true);
    expect((await runKeymill(['producers'], env)).stderr).to.include('not running: producer-9');
    expect(await runKeymill(['producers', 'undrain', 'producer-9'], env)).to.include({ exitCode: 0 });
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
