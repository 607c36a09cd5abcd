import { execFile, type PromiseWithChild } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Session } from '../../coordinator/session.ts';
import { QUIET_LOG } from '../../runtime/log.ts';
import { zkCliLine } from '../../scripts/operator/zk-input.ts';
import { isNoise, ZkOutputFilter } from '../../scripts/operator/zk-output.ts';
import { testZooKeeper } from '../servers.ts';
import { until } from '../until.ts';
import { runKeymill } from './run-keymill.ts';

function filtered(lines: readonly string[]): string[] {
  const filter = new ZkOutputFilter();
  return [...lines.flatMap((line) => filter.push(line)), ...filter.end()];
}

const LAUNCHER = join(import.meta.dirname, '../../scripts/keymill.ts');

/** Starts `keymill zk` without a command. */
function converse(env: Readonly<Record<string, string>>): PromiseWithChild<{ stdout: string }> {
  return promisify(execFile)(process.execPath, [LAUNCHER, 'zk'], { env: { ...process.env, ...env } });
}

/** The command lines of all processes of this machine. */
function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')];
      } catch {
        return [];
      }
    });
}

const CONNECTED = ['', 'WATCHER::', '', 'WatchedEvent state:SyncConnected type:None path:null'];

describe("operator: zkCli's output", () => {
  it('contains no greeting and no session events, wherever they were', () => {
    expect(filtered(['Connecting to 127.0.0.1:1', ...CONNECTED, '[a, b]'])).to.deep.equal(['[a, b]']);
    expect(filtered(['Connecting to 127.0.0.1:1', '[a, b]', ...CONNECTED])).to.deep.equal(['[a, b]']);
    expect(filtered([...CONNECTED, ...CONNECTED, ''])).to.deep.equal(['']);
  });

  it("keeps empty lines, data that looks like events, and the events of the user's own watches", () => {
    const own = ['', 'WATCHER::', '', 'WatchedEvent state:SyncConnected type:NodeDeleted path:/a'];
    expect(filtered(own)).to.deep.equal(own);
    expect(filtered(['x', '', '', 'WATCHER::', 'y', ''])).to.deep.equal(['x', '', '', 'WATCHER::', 'y', '']);
  });

  it('drops only logger warnings and stack traces from stderr', () => {
    expect(isNoise('SLF4J: Failed to load class')).to.equal(true);
    expect(isNoise('\tat org.apache.zookeeper.ZooKeeperMain.main(ZooKeeperMain.java:292)')).to.equal(true);
    expect(isNoise('Node does not exist: /nope')).to.equal(false);
  });
});

describe("operator: a line for zkCli's stdin", () => {
  it('keeps every argument together', () => {
    const cases: [string[], string][] = [
      [['ls', '-R', '/'], 'ls -R /'],
      [['create', '/a', 'x y'], 'create /a "x y"'],
      [['set', '/a', ''], 'set /a ""'],
      [['set', '/a', '{"a": 1}'], `set /a '{"a": 1}'`],
      [['set', '/a', "it's"], "set /a it's"],
      [[], ''],
    ];
    for (const [args, line] of cases) expect(zkCliLine(args)).to.equal(line);
  });

  it('refuses what no line can contain', () => {
    for (const argument of [`"it's" x`, 'a\nb'])
      expect(() => zkCliLine(['set', '/a', argument])).to.throw('quotation');
  });
});

describe('keymill zk', () => {
  it("shows only the answer, and passes on zkCli's exit code and errors", async () => {
    const { connect } = await testZooKeeper();
    const env = { KEYMILL_ZOOKEEPER: connect };
    expect(await runKeymill(['zk', 'create', '/shard-locks', 'x y'], env)).to.include({ exitCode: 0 });
    expect(await runKeymill(['zk', 'ls', '/'], env)).to.deep.equal({
      exitCode: 0,
      stdout: '[shard-locks]\n',
      stderr: '',
    });
    expect((await runKeymill(['zk', 'get', '/shard-locks'], env)).stdout).to.equal('x y\n');
    expect((await runKeymill(['zk', 'ls', '-R', '/shard-locks'], env)).stdout).to.equal('/shard-locks\n');
    const missing = await runKeymill(['zk', 'get', '/nope'], env);
    expect(missing).to.deep.equal({ exitCode: 1, stdout: '', stderr: 'Node does not exist: /nope\n' });
  });

  it('prints one document with --json before or after the command', async () => {
    const { connect } = await testZooKeeper();
    const env = { KEYMILL_ZOOKEEPER: connect };
    for (const args of [
      ['zk', '--json', 'ls', '/'],
      ['zk', 'ls', '/', '--json'],
    ]) {
      const { stdout, exitCode } = await runKeymill(args, env);
      expect(exitCode).to.equal(0);
      expect(JSON.parse(stdout)).to.deep.equal({ args: ['ls', '/'], exitCode: 0, lines: ['[]'] });
    }
    expect((await runKeymill(['zk', '--json'], env)).exitCode).to.equal(2);
  });

  it('reads commands from stdin without arguments', async () => {
    const { connect } = await testZooKeeper();
    const running = converse({ KEYMILL_ZOOKEEPER: connect });
    running.child.stdin?.end('create /a\nls /\nquit\n');
    const { stdout } = await running;
    expect(stdout).to.equal('[a]\n');
  });

  it('adds the credentials of the cluster, and shows them neither in its output nor in the list of processes', async () => {
    const { connect } = await testZooKeeper();
    const password = `a"secret-${randomBytes(8).toString('hex')}`;
    const auth = `keymill:${password}`;
    const session = await Session.open({ connect, auth, timeoutMs: 4_000, log: QUIET_LOG });
    await session.ensurePath('/shard-locks');
    await session.close();
    const stranger = { KEYMILL_ZOOKEEPER: connect };
    const refused = await runKeymill(['zk', 'create', '/shard-locks/a', 'x'], stranger);
    expect(refused).to.include({ exitCode: 1, stdout: '' });
    expect(refused.stderr).to.include('Insufficient permission');
    expect(await runKeymill(['zk', 'ls', '/shard-locks'], stranger)).to.include({ stdout: '[]\n' });
    const env = { ...stranger, KEYMILL_ZOOKEEPER_AUTH: auth };
    const data = '{"owner": "it\u2019s me"}';
    expect(await runKeymill(['zk', 'create', '/shard-locks/a', data], env)).to.include({ exitCode: 0 });
    expect(await runKeymill(['zk', 'get', '/shard-locks/a'], env)).to.deep.equal({
      exitCode: 0,
      stdout: `${data}\n`,
      stderr: '',
    });
    expect(await runKeymill(['zk', 'get', '/nope'], env)).to.deep.equal({
      exitCode: 1,
      stdout: '',
      stderr: 'Node does not exist: /nope\n',
    });
    const { stdout } = await runKeymill(['zk', 'delete', '/shard-locks/a', '--json'], env);
    expect(JSON.parse(stdout)).to.deep.equal({ args: ['delete', '/shard-locks/a'], exitCode: 0, lines: [] });

    const running = converse(env);
    try {
      await until('zkCli to run', () => commandLines().some((line) => line.includes(connect)));
      expect(commandLines().filter((line) => line.includes(password))).to.deep.equal([]);
    } finally {
      // Also after a failure: the run would not end before its child.
      running.child.stdin?.end('create /shard-locks/b\nls /shard-locks\nquit\n');
    }
    expect((await running).stdout).to.equal('[b]\n');
  });

  it('names an unreachable ensemble within about a second, exit code 2', async () => {
    const { exitCode, stdout, stderr } = await runKeymill(['zk', 'ls', '/'], {
      KEYMILL_ZOOKEEPER: '127.0.0.1:1,127.0.0.1:2',
    });
    expect({ exitCode, stdout }).to.deep.equal({ exitCode: 2, stdout: '' });
    expect(stderr).to.include('no ZooKeeper server answers at 127.0.0.1:1,127.0.0.1:2');
  });
});
