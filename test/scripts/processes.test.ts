import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { addressesOf, blobsOf, processEnvironment } from '../../scripts/cluster/environment.ts';
import { parseMetrics } from '../../scripts/cluster/http.ts';
import { tryLock } from '../../scripts/cluster/lock.ts';
import { RunDir } from '../../scripts/cluster/run-dir.ts';
import { DEFAULT_SHAPE } from '../../scripts/cluster/shape.ts';
import { findStrays } from '../../scripts/cluster/stop.ts';
import { identityOf, isRunning, stopProcess } from '../../scripts/servers/identity.ts';
import { startProcess } from '../../scripts/servers/process.ts';
import { testFolder } from '../servers.ts';
import { until } from '../until.ts';

describe('process identity', () => {
  it('distinguishes a process from an earlier one with the same id', () => {
    const identity = identityOf(process.pid);
    if (identity === undefined) throw new Error('this process does not seem to run');
    expect(isRunning(identity)).to.equal(true);
    expect(isRunning({ ...identity, startTime: '1' })).to.equal(false);
  });

  it('ends a stopped process, and kills one that ignores SIGTERM', async () => {
    for (const [script, how] of [
      ['setInterval(() => {}, 1000); process.kill(process.pid, "SIGSTOP")', 'stopped'],
      ['process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); console.log("deaf")', 'killed'],
    ] as const) {
      const logFile = join(testFolder(), `${how}.log`);
      const { identity } = await startProcess({
        id: how,
        command: process.execPath,
        args: ['-e', script],
        logFile,
        dieWithParent: true,
      });
      await until('the process to be set up', () =>
        how === 'killed'
          ? readFileSync(logFile, 'utf8').includes('deaf')
          : /State:\s+T/.test(readFileSync(`/proc/${identity.pid}/status`, 'utf8')),
      );
      expect(await stopProcess(identity, 500)).to.equal(how);
      expect(isRunning(identity)).to.equal(false);
    }
  });

  it('finds exactly the processes with a token in their environment', async () => {
    const token = `test-${process.pid}-${Math.random()}`;
    const child = spawn('sleep', ['60'], { env: { ...process.env, KEYMILL_RUN_TOKEN: token } });
    const other = spawn('sleep', ['60']);
    try {
      await until('the process to be found', () => findStrays(token).length === 1);
      expect(findStrays(token).map(({ pid }) => pid)).to.deep.equal([child.pid]);
    } finally {
      child.kill('SIGKILL');
      other.kill('SIGKILL');
    }
  });
});

describe('the lock of a run folder', () => {
  it('has one holder, and is free again when the holder dies', async () => {
    const runDir = new RunDir(join(testFolder(), 'locked'));
    const lock = await tryLock(runDir);
    expect(await tryLock(runDir)).to.equal(undefined);
    lock?.release();
    const file = JSON.stringify(join(import.meta.dirname, '../../scripts/cluster'));
    const holder = spawn(process.execPath, [
      '--input-type=module',
      '-e',
      `const { tryLock } = await import(${file} + '/lock.ts'); const { RunDir } = await import(${file} + '/run-dir.ts');
       await tryLock(new RunDir(${JSON.stringify(runDir.path)})); console.log('held'); setInterval(() => {}, 1000);`,
    ]);
    await once(holder.stdout, 'data');
    expect(await tryLock(runDir)).to.equal(undefined);
    holder.kill('SIGKILL');
    const again = await until('the lock to be free', async () => tryLock(runDir));
    again.release();
  });
});

describe('the environment of a producer or mapper', () => {
  const state = {
    mysqlPassword: 'm',
    redisPassword: 'r',
    zookeeperAuth: 'keymill:z',
    token: 't',
    adminToken: 'a',
    setup: { keySource: 'pools', memory: 'full' } as const,
  };
  const addresses = addressesOf(DEFAULT_SHAPE, state, () => 1234);
  const runDir = new RunDir('/nowhere');

  it('describes the cluster, whatever the caller’s environment says, and keeps its other settings', () => {
    process.env['KEYMILL_REDIS_FILE'] = '/etc/other';
    process.env['KEYMILL_ZOOKEEPER_AUTH_FILE'] = '/etc/another';
    process.env['KEYMILL_QUARANTINE_MS'] = '1500';
    try {
      const env = processEnvironment({ runDir, state, addresses, own: { KEYMILL_ID: 'producer-1' } });
      expect(env).not.to.have.any.keys('KEYMILL_REDIS_FILE', 'KEYMILL_ZOOKEEPER_AUTH_FILE');
      expect(env).to.have.property('KEYMILL_ZOOKEEPER_AUTH', 'keymill:z');
      expect(env).to.include({
        KEYMILL_ID: 'producer-1',
        KEYMILL_QUARANTINE_MS: '1500',
        KEYMILL_SESSION_TIMEOUT_MS: '2000',
        KEYMILL_ADMIN_TOKEN: 'a',
      });
      expect(env['KEYMILL_REDIS']).to.match(/^redis-1=redis:\/\/default:r@127\.0\.0\.1:1234,redis-2=/);
      expect(env['KEYMILL_URLS_DBS']).to.match(/^urls-1:0-15=mysql:.*,urls-2:16-31=mysql:/);
    } finally {
      delete process.env['KEYMILL_REDIS_FILE'];
      delete process.env['KEYMILL_QUARANTINE_MS'];
    }
  });

  it('puts images into the run folder, unless the caller says where they are', () => {
    const blobs = (): (string | undefined)[] => {
      const env = processEnvironment({ runDir, state, addresses, own: {} });
      return [env['KEYMILL_BLOBS'], env['KEYMILL_BLOBS_FILE'], blobsOf(runDir)];
    };
    expect(blobs()).to.deep.equal(['file:/nowhere/data/blobs', undefined, 'file:/nowhere/data/blobs']);
    for (const [name, value, seen] of [
      ['KEYMILL_BLOBS', 's3://a:b@c/ddd', ['s3://a:b@c/ddd', undefined, 's3://a:b@c/ddd']],
      ['KEYMILL_BLOBS', '', ['', undefined, '']],
      ['KEYMILL_BLOBS_FILE', '/etc/blobs', [undefined, '/etc/blobs', undefined]],
    ] as const) {
      process.env[name] = value;
      try {
        expect(blobs()).to.deep.equal(seen);
      } finally {
        delete process.env[name];
      }
    }
  });

  it('opens sign-up, unless the caller closes it', () => {
    const signup = (): string | undefined =>
      processEnvironment({ runDir, state, addresses, own: {} })['KEYMILL_SIGNUP'];
    expect(signup()).to.equal('open');
    process.env['KEYMILL_SIGNUP'] = 'closed';
    try {
      expect(signup()).to.equal('closed');
    } finally {
      delete process.env['KEYMILL_SIGNUP'];
    }
  });
});

describe('parseMetrics', () => {
  it('reads samples with their labels, and skips the rest', () => {
    const text =
      '# HELP keymill_lock_held x\nkeymill_lock_held{keys_db="keys-db-1",a="b\\"c"} 1\nkeymill_up 2.5e3\n\nnonsense\n';
    expect(parseMetrics(text)).to.deep.equal([
      { name: 'keymill_lock_held', labels: { keys_db: 'keys-db-1', a: 'b\\"c' }, value: 1 },
      { name: 'keymill_up', labels: {}, value: 2500 },
    ]);
  });
});
