import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { isNoise, ZkOutputFilter } from '../../scripts/operator/zk-output.ts';
import { testZooKeeper } from '../servers.ts';
import { runKeymill } from './run-keymill.ts';

function filtered(lines: readonly string[]): string[] {
  const filter = new ZkOutputFilter();
  return [...lines.flatMap((line) => filter.push(line)), ...filter.end()];
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
    const launcher = join(import.meta.dirname, '../../scripts/keymill.ts');
    const running = promisify(execFile)(process.execPath, [launcher, 'zk'], {
      env: { ...process.env, KEYMILL_ZOOKEEPER: connect },
    });
    running.child.stdin?.end('create /a\nls /\nquit\n');
    const { stdout } = await running;
    expect(stdout).to.equal('[a]\n');
  });

  it('names an unreachable ensemble within about a second, exit code 2', async () => {
    const { exitCode, stdout, stderr } = await runKeymill(['zk', 'ls', '/'], {
      KEYMILL_ZOOKEEPER: '127.0.0.1:1,127.0.0.1:2',
    });
    expect({ exitCode, stdout }).to.deep.equal({ exitCode: 2, stdout: '' });
    expect(stderr).to.include('no ZooKeeper server answers at 127.0.0.1:1,127.0.0.1:2');
  });
});
