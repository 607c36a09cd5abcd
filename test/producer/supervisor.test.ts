import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { supervise } from '../../producer/supervisor.ts';
import { createLog } from '../../runtime/log.ts';
import { until } from '../until.ts';
import { testCluster, untilFilled } from './cluster.ts';

const log = createLog('test', 'supervisor', 'silent');
const workerModule = new URL('crashing-worker.ts', import.meta.url);

describe('the supervisor', function () {
  this.timeout(60_000);

  it('names every fault of the configuration and does not start', () => {
    const { status, stderr } = spawnSync(process.execPath, ['producer/main.ts'], {
      env: {
        PATH: process.env['PATH'] ?? '',
        KEYMILL_PRODUCER_CAPACITY: 'many',
        KEYMILL_KEY_SECRET: 'short',
      },
      encoding: 'utf8',
    });
    expect(status).to.equal(2);
    for (const fault of [
      'KEYMILL_PRODUCER_CAPACITY',
      'KEYMILL_KEY_SECRET',
      'KEYMILL_ZOOKEEPER',
      'KEYMILL_REDIS',
    ]) {
      expect(stderr).to.include(fault);
    }
  });

  it('gives up when the worker contradicts a keys-db', async () => {
    await using cluster = await testCluster();
    const right = cluster.start('producer-1');
    await untilFilled(cluster);
    const wrong = cluster.start('producer-2', { KEYMILL_KEY_SECRET: 'quite another secret' });
    expect(await wrong.exited).to.equal(1);
    expect(wrong.lines.map(({ msg }) => msg)).to.include('a keys-db contradicts the configuration');
    expect(await right.stop()).to.equal(0);
  });

  it('replaces a worker that dies before it is ready, after longer and longer pauses', async () => {
    expect(await restartsWithin(1_600)).to.be.within(1, 3);
  });

  it('replaces a worker that had been ready immediately', async () => {
    process.env['CRASH_AFTER_READY'] = '1';
    try {
      const stopping = new AbortController();
      const deaths: number[] = [];
      const counting = { ...log, warn: () => void deaths.push(performance.now()), info: () => undefined };
      const options = { connect: '127.0.0.1:9', log: counting, workerModule };
      const done = supervise(options, stopping.signal);
      await until('five deaths', () => deaths.length >= 5, { timeoutMs: 30_000 });
      stopping.abort();
      await done;
    } finally {
      delete process.env['CRASH_AFTER_READY'];
    }
  });

  async function restartsWithin(ms: number): Promise<number> {
    const stopping = new AbortController();
    let deaths = 0;
    const first = Promise.withResolvers<void>();
    const onDeath = (): void => {
      deaths += 1;
      first.resolve();
    };
    const counting = { ...log, warn: onDeath, info: () => undefined };
    const done = supervise({ connect: '127.0.0.1:9', log: counting, workerModule }, stopping.signal);
    await first.promise;
    setTimeout(() => stopping.abort(), ms);
    await done;
    return deaths;
  }
});
