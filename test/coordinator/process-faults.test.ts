import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { closeSession } from '../../coordinator/close-session.ts';
import { readLocks } from '../../coordinator/lock-view.ts';
import type { SessionCredentials } from '../../coordinator/session.ts';
import { ranMs } from '../ran-ms.ts';
import { until } from '../until.ts';
import { Harness, log, T } from './harness.ts';

interface Report {
  ready?: SessionCredentials;
  gapMs?: number;
  mayWrite?: boolean;
  state?: string;
  ended?: string;
  lockOver?: boolean;
}

describe('session: faults of the process that holds it', () => {
  let harness: Harness;
  let holder: ChildProcess;
  let reports: Report[];
  let credentials: SessionCredentials;

  beforeEach(async () => {
    harness = await Harness.start();
    reports = [];
    const program = fileURLToPath(new URL('fixtures/holder.ts', import.meta.url));
    holder = fork(program, [harness.direct, String(T)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    holder.on('message', (message) => reports.push(message as Report));
    credentials = await until('the holder', () => reports.find(({ ready }) => ready)?.ready);
  });
  afterEach(async () => {
    holder.kill('SIGKILL');
    await harness.stop();
  });

  async function passed(ms: number): Promise<void> {
    const began = performance.now();
    await until(`${ms} ms`, () => performance.now() - began >= ms);
  }

  it('stopped for longer than T: it may not write from the moment in which it continues', async () => {
    holder.kill('SIGSTOP');
    const witness = await harness.openDirect();
    await until('the lock to be free', async () => (await readLocks(witness)).size === 0);
    holder.kill('SIGCONT');
    const awake = await until('a report', () => reports.find(({ gapMs }) => gapMs !== undefined));
    expect(awake.gapMs).to.be.greaterThan(T * 0.8);
    expect(awake.mayWrite).to.equal(false);
    const end = await until('the end', () => reports.find(({ ended }) => ended));
    expect(end).to.deep.equal({ ended: 'expired', lockOver: true });
  });

  it('stopped for less than T: it suspends itself, and resumes with the same session and lock', async () => {
    holder.kill('SIGSTOP');
    await passed(T * 0.55);
    holder.kill('SIGCONT');
    const awake = await until('a report', () => reports.find(({ gapMs }) => gapMs !== undefined));
    expect(awake.mayWrite).to.equal(false);
    await until('it may write again', () => {
      holder.send('report');
      return reports.some(({ gapMs, mayWrite }) => gapMs === undefined && mayWrite);
    });
    const witness = await harness.openDirect();
    const [lock] = (await readLocks(witness)).values();
    expect(lock?.ephemeralOwner).to.equal(credentials.id);
    expect(reports.some(({ ended }) => ended)).to.equal(false);
  });

  it('an event loop stalled for more than T/3: it suspends itself, although every answer came in time', async () => {
    holder.send(Math.round(T * 0.45));
    const awake = await until('a report', () => reports.find(({ gapMs }) => gapMs !== undefined));
    expect(awake).to.include({ mayWrite: false, state: 'suspended' });
    await until('it may write again', () => {
      holder.send('report');
      return reports.some(({ gapMs, mayWrite }) => gapMs === undefined && mayWrite);
    });
  });

  it('a killed holder: when another process closes its session, the lock is free within milliseconds', async () => {
    holder.kill('SIGKILL');
    const witness = await harness.openDirect();
    const began = ranMs();
    const outcome = await closeSession({
      connect: harness.direct,
      credentials,
      log,
      signal: AbortSignal.timeout(5000),
    });
    const tookMs = ranMs() - began;
    expect(outcome).to.equal('closed');
    await until('the lock to be free', async () => (await readLocks(witness)).size === 0, { everyMs: 2 });
    // About 10 ms on an idle machine; this one may be busy with other tests.
    expect(tookMs).to.be.lessThan(T / 6);
    expect(ranMs() - began).to.be.lessThan(T / 5);
  });

  it('nothing keeps a process alive after its session was closed', async () => {
    holder.send('close');
    await until('the end', () => reports.some(({ ended }) => ended === 'closed'));
    await until('exit', () => holder.exitCode !== null, { timeoutMs: 1000, clock: ranMs });
    expect(holder.exitCode).to.equal(0);
  });

  it('nothing keeps a process alive after its session has expired', async () => {
    await closeSession({ connect: harness.direct, credentials, log, signal: AbortSignal.timeout(5000) });
    await until('the end', () => reports.some(({ ended }) => ended === 'expired'));
    await until('exit', () => holder.exitCode !== null, { timeoutMs: 1000, clock: ranMs });
    expect(holder.exitCode).to.equal(0);
  });
});
