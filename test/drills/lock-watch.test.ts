import { expect } from 'chai';
import { formatLock } from '../../coordinator/lock-holder.ts';
import { lockPath, PATHS } from '../../coordinator/paths.ts';
import { Session } from '../../coordinator/session.ts';
import { ReopeningSession } from '../../drills/cluster/reopening-session.ts';
import { LockWatch } from '../../drills/watch/locks.ts';
import { QUIET_LOG } from '../../runtime/log.ts';
import { testZooKeeper } from '../servers.ts';
import { until } from '../until.ts';

describe('the watch over locks', () => {
  let holder: Session;
  let watching: ReopeningSession;
  let watch: LockWatch;

  beforeEach(async () => {
    const { connect } = await testZooKeeper();
    holder = await Session.open({ connect, timeoutMs: 4_000, log: QUIET_LOG });
    await holder.ensurePath(PATHS.locks);
    watching = await ReopeningSession.open({ connect });
    watch = new LockWatch(
      watching,
      ['keys-db-1', 'keys-db-2'],
      () => performance.now(),
      () => undefined,
    );
  });

  afterEach(async () => {
    watch[Symbol.dispose]();
    await watching.close();
    await holder.close();
  });

  async function take(shard: string, owner: string): Promise<void> {
    const data = formatLock({ owner, host: 'here', pid: 1 }, holder.id, new Date().toISOString(), 'nonce');
    await holder.create(lockPath(shard), data, { ephemeral: true });
    await until(`${owner} to be seen`, () => watch.holderOf(shard)?.owner === owner);
  }

  async function free(shard: string): Promise<void> {
    await holder.remove(lockPath(shard), 0);
  }

  it('measures from the deletion of a lock to the next lock, and reports open gaps', async () => {
    await take('keys-db-1', 'producer-1');
    expect(watch.gapsSince(0)).to.deep.equal([]);
    const freedMs = performance.now();
    await free('keys-db-1');
    await until('the gap to be open', () => watch.gapsSince(0).length === 1);
    expect(watch.gapsSince(0)[0]?.toMs).to.equal(undefined);
    await take('keys-db-1', 'producer-2');
    const takenMs = performance.now();
    const [gap] = watch.gapsSince(0);
    expect(gap?.shard).to.equal('keys-db-1');
    expect(gap?.fromMs).to.be.within(freedMs, takenMs);
    expect(gap?.toMs).to.be.within(gap?.fromMs ?? 0, takenMs);
    expect(watch.gapsSince(takenMs)).to.deep.equal([]);
  });

  it('counts a gap when the holder changes between two reads', async () => {
    await take('keys-db-2', 'producer-1');
    // Both requests are sent before the watch can react to the first notice.
    const data = formatLock({ owner: 'producer-2', host: 'here', pid: 2 }, holder.id, '', 'other');
    await Promise.all([free('keys-db-2'), holder.create(lockPath('keys-db-2'), data, { ephemeral: true })]);
    await until('the second holder to be seen', () => watch.holderOf('keys-db-2')?.owner === 'producer-2');
    expect(watch.gapsSince(0)).to.have.length(1);
  });

  it('continues over another session after its own has ended', async () => {
    await take('keys-db-1', 'producer-1');
    const before = watching.current;
    await before.close();
    await until('another session', () => watching.current !== before);
    await free('keys-db-1');
    await until('the gap to be open', () => watch.gapsSince(0).length === 1);
    await take('keys-db-1', 'producer-2');
    expect(watch.gapsSince(0)[0]?.toMs).to.not.equal(undefined);
  });
});
