import { expect } from 'chai';
import { openTestCluster, type TestCluster } from './cluster.ts';
import { runKeymill } from './run-keymill.ts';

interface Status {
  urlsDbs: { name: string; goneBack: { at: string; goodAt: string | null; reason: string } | null }[];
}

describe('keymill urls restored', () => {
  let cluster: TestCluster;

  before(async () => {
    cluster = await openTestCluster();
    const [first] = cluster.keysDbs;
    await first?.generate({ count: 500 });
    await first?.raiseEpoch({ czxid: 1n, ensemble: 'e', owner: 'producer-1' });
    await first?.claim({ epoch: 1, count: 300, parts: [{ pool: 'redis-1', seq: 1 }] });
  });

  after(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  async function goneBack(): Promise<Status['urlsDbs'][number]['goneBack'] | undefined> {
    const { stdout } = await runKeymill(['status', '--json'], cluster.env);
    return (JSON.parse(stdout) as Status).urlsDbs[0]?.goneBack;
  }

  it('writes off every key issued before now in all keys-dbs, without a holder, and may be repeated', async () => {
    for (let time = 1; time <= 2; time += 1) {
      const { exitCode, stdout } = await runKeymill(['urls', 'restored', 'urls-1', '--json'], cluster.env);
      expect(exitCode).to.equal(0);
      expect(JSON.parse(stdout)).to.deep.equal({
        urlsDb: 'urls-1',
        keysDbs: [
          { keysDb: 'keys-db-1', claimedTo: 300 },
          { keysDb: 'keys-db-2', claimedTo: 0 },
        ],
        unreachable: [],
      });
    }
    const { writeOffs, version } = (await cluster.keysDbs[0]?.writeOffs()) ?? expect.fail();
    expect(writeOffs.map(({ kind, claimedTo, slots }) => ({ kind, claimedTo, slots }))).to.deep.equal(
      [1, 2].map(() => ({ kind: 'restored', claimedTo: 300, slots: 2 ** 32 - 1 })),
    );
    expect(version).to.equal(2);
    const { stdout } = await runKeymill(['urls', 'restored', 'urls-1'], cluster.env);
    expect(stdout).to.include('keys-db-1: recycles no key of urls-1 up to id 300 any more');
  });

  it('ends the alarm that status shows after a server has gone back', async () => {
    const [first] = cluster.keysDbs;
    expect(await goneBack()).to.equal(null);
    const reason = 'its mark is 3, the last one was 9';
    await first?.recordWriteOff({ urlsDb: 'urls-1', slots: [0], kind: 'restarted', reason: '' }, 1);
    expect(await goneBack(), 'after a restart').to.equal(null);
    await first?.recordWriteOff({ urlsDb: 'urls-1', slots: [0], kind: 'gone-back', reason }, 1);
    const alarm = (await goneBack()) ?? expect.fail();
    expect(alarm).to.include({ reason, goodAt: null });
    expect(Date.now() - Date.parse(alarm.at)).to.be.within(-5_000, 60_000);
    const { stdout } = await runKeymill(['status'], cluster.env);
    expect(stdout).to.match(
      /ALARMS[^]+urls-1 +has gone back, noticed \S+Z: its\s+mark\s+is\s+3,\s+the\s+last\s+one\s+was\s+9/,
    );
    await runKeymill(['urls', 'restored', 'urls-1'], cluster.env);
    expect(await goneBack(), 'after the word of an operator').to.equal(null);
  });

  it('refuses an unknown name, and says when a keys-db does not answer', async () => {
    const unknown = await runKeymill(['urls', 'restored', 'urls-9'], cluster.env);
    expect(unknown).to.include({ exitCode: 2, stdout: '' });
    expect(unknown.stderr).to.include('there is no urls server "urls-9"; the cluster has urls-1');
    const env = {
      ...cluster.env,
      KEYMILL_KEYS_DBS: `${cluster.env['KEYMILL_KEYS_DBS']},keys-db-3=mysql://nobody:x@127.0.0.1:1/none`,
    };
    const { exitCode, stdout } = await runKeymill(['urls', 'restored', 'urls-1', '--json'], env);
    expect(exitCode).to.equal(2);
    const { keysDbs, unreachable } = JSON.parse(stdout) as { keysDbs: object[]; unreachable: string[] };
    expect(keysDbs).to.have.length(2);
    expect(unreachable).to.deep.equal(['keys-db-3']);
  });
});
