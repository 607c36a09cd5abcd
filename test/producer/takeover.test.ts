import { AssertionError, expect } from 'chai';
import type { LockHolder } from '../../coordinator/lock-holder.ts';
import { FencedError } from '../../db/store-errors.ts';
import { ranMs } from '../ran-ms.ts';
import { until } from '../until.ts';
import {
  testCluster,
  untilFilled,
  untilHeld,
  untilMembers,
  untilReady,
  untilStandby,
  type Cluster,
  type Producer,
} from './cluster.ts';

const T = 2_000;
const TICK = 500;

describe('takeover of a shard', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  const producers = new Map<string, Producer>();

  before(async () => {
    cluster = await testCluster({ env: { KEYMILL_SESSION_TIMEOUT_MS: String(T) } });
    for (const id of ['producer-1', 'producer-2']) producers.set(id, cluster.start(id));
    await untilFilled(cluster);
    await untilMembers(cluster, 2);
  });

  after(async () => cluster[Symbol.asyncDispose]());

  async function holder(): Promise<{ lock: LockHolder; epoch: number; producer: Producer; pid: number }> {
    await untilMembers(cluster, 2);
    const lock = await untilHeld(cluster, 'keys-db-1');
    const producer = producers.get(lock.owner ?? '');
    if (!producer || lock.pid === null) throw new Error(`a stranger holds the lock: ${lock.raw}`);
    return { lock, epoch: lock.epoch ?? 0, producer, pid: lock.pid };
  }

  /** Times until the lock has gone or changed, and until the next reign is ready. */
  async function measure(before: LockHolder, epoch: number): Promise<{ freeMs: number; readyMs: number }> {
    const start = ranMs();
    await until(
      'the lock to be free',
      async () => (await cluster.locks()).get('keys-db-1')?.czxid !== before.czxid,
      { timeoutMs: 20_000, everyMs: 2 },
    );
    const freeMs = ranMs() - start;
    await untilReady([...producers.values()], 'keys-db-1', epoch);
    return { freeMs, readyMs: ranMs() - start };
  }

  /** Empties the pools: only a working holder fills them again. */
  async function drainAndRefill(): Promise<void> {
    for (const pool of cluster.pools) await pool.take(10_000);
    await untilFilled(cluster);
  }

  it('after kill -9 of the worker takes under a second, and the worker is back within one', async () => {
    await inSomeRound(async () => {
      await Promise.all([...producers.values()].map(untilStandby));
      const { lock, epoch, producer, pid } = await holder();
      producer.lines.length = 0;
      process.kill(pid, 'SIGKILL');
      const killed = ranMs();
      const [{ freeMs, readyMs }, backMs] = await Promise.all([
        measure(lock, epoch),
        until('the worker to be back', async () => {
          const member = (await cluster.members()).get(producer.id);
          return member !== undefined && member.pid !== pid && ranMs() - killed;
        }),
      ]);
      await drainAndRefill();
      expect(freeMs).to.be.below(100);
      expect(readyMs).to.be.below(1_000);
      expect(backMs).to.be.below(1_000);
    });
  });

  it('after SIGTERM takes under 300 ms', async () => {
    await inSomeRound(async () => {
      const { lock, epoch, producer } = await holder();
      producer.supervisor.kill('SIGTERM');
      const { readyMs } = await measure(lock, epoch);
      expect(await producer.exited).to.equal(0);
      producers.set(producer.id, cluster.start(producer.id));
      await drainAndRefill();
      expect(readyMs).to.be.below(300);
    });
  });

  it('after kill -9 of the supervisor alone takes milliseconds, and the worker exits', async () => {
    await inSomeRound(async () => {
      const { lock, epoch, producer, pid } = await holder();
      producer.supervisor.kill('SIGKILL');
      const { readyMs } = await measure(lock, epoch);
      await until('the worker to exit', () => !isAlive(pid));
      producers.set(producer.id, cluster.start(producer.id));
      await drainAndRefill();
      expect(readyMs).to.be.below(300);
    });
  });

  it('after kill -9 of both takes at most the session timeout, a tick and a second', async () => {
    const { lock, epoch, producer, pid } = await holder();
    producer.supervisor.kill('SIGKILL');
    process.kill(pid, 'SIGKILL');
    const { readyMs } = await measure(lock, epoch);
    expect(readyMs).to.be.below(T + TICK + 1_000);
    producers.set(producer.id, cluster.start(producer.id));
    await drainAndRefill();
  });

  it('a worker stopped for longer than the session timeout is fenced by every store', async () => {
    const { lock, epoch, producer, pid } = await holder();
    process.kill(pid, 'SIGSTOP');
    await measure(lock, epoch);
    const [pool] = cluster.pools;
    const [keysDb] = cluster.keysDbs;
    if (!pool || !keysDb) throw new Error('no stores');
    const { seq } = await pool.producerState('keys-db-1');
    const late = await pool.deliver({ keysDb: 'keys-db-1', epoch, seq: seq + 1, keys: ['late-key'] });
    expect(late.result).to.equal('fenced');
    const claim = keysDb.claim({ epoch, count: 10, parts: [{ pool: pool.name, seq: seq + 1 }] });
    expect(await claim.catch((error: unknown) => error)).to.be.instanceOf(FencedError);

    process.kill(pid, 'SIGCONT');
    await until(
      'the old worker to contend again',
      async () => (await cluster.members()).get(producer.id)?.pid === pid,
      { timeoutMs: 40_000 },
    );
    expect((await cluster.pooled()).includes('late-key')).to.equal(false);
    await drainAndRefill();
    const keys = await cluster.pooled();
    expect(new Set(keys).size).to.equal(keys.length);
  });
});

/** A bound on time is met if one of five rounds meets it: other processes may delay any of them. */
async function inSomeRound(round: () => Promise<void>): Promise<void> {
  for (let left = 4; ; left -= 1) {
    try {
      return await round();
    } catch (error) {
      if (left === 0 || !(error instanceof AssertionError)) throw error;
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
