import { spawn, type ChildProcess } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';
import { expect } from 'chai';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { until } from '../until.ts';
import { openTestCluster, type TestCluster } from './cluster.ts';
import { runKeymill } from './run-keymill.ts';

/** A command that runs until it is stopped, and what it has written. */
class Watching implements Disposable {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  stdout = '';
  stderr = '';

  constructor(command: readonly [string, ...string[]], env: Readonly<Record<string, string>>) {
    const [name, ...args] = command;
    const { PATH, NODE_COMPILE_CACHE } = process.env;
    this.child = spawn(name, args, {
      cwd: REPOSITORY,
      env: { PATH, NODE_COMPILE_CACHE, TERM: 'xterm', ...env },
      stdio: 'pipe',
    });
    this.child.stdout?.on('data', (chunk) => (this.stdout += String(chunk)));
    this.child.stderr?.on('data', (chunk) => (this.stderr += String(chunk)));
    this.ended = new Promise((resolve) => this.child.once('exit', resolve));
  }

  [Symbol.dispose](): void {
    this.child.kill('SIGKILL');
  }
}

const WATCH = ['scripts/keymill.ts', 'status', '--watch'];

describe('keymill status --watch', function () {
  this.timeout(60_000);
  let cluster: TestCluster;

  before(async () => {
    cluster = await openTestCluster();
  });
  after(async () => cluster[Symbol.asyncDispose]());

  let keys = 0;
  async function deliver(): Promise<void> {
    keys += 1;
    await cluster.pools[0]?.deliver({ keysDb: 'keys-db-1', epoch: 1, seq: keys, keys: [`AAAAAAA${keys}`] });
  }

  it('shows changes in place on a terminal, and gives the terminal back at Ctrl-C', async () => {
    await deliver();
    const inTerminal = `stty cols 120 rows 40; exec "${process.execPath}" ${WATCH.join(' ')}`;
    using watching = new Watching(['script', '-qefc', inTerminal, '/dev/null'], cluster.env);
    const shown = (): string => stripVTControlCharacters(watching.stdout);
    await until('the first screen', () => /redis-1 +1 /.test(shown()));
    expect(shown()).to.match(/keymill status, \d\d:\d\d:\d\d UTC\. Ctrl-C ends\./);
    expect(shown()).to.match(/^ALARMS .*Locks\r?$[^]*^Pools \(keys\)/m);
    await deliver();
    await until('the new level', () => /redis-1 +2 /.test(shown()));
    // The cursor was hidden, and it was moved instead of writing screen below screen.
    expect(watching.stdout).to.include('\x1b[?25l');
    watching.child.stdin?.write('\x03');
    expect(await watching.ended, watching.stdout).to.equal(0);
    expect(watching.stdout.lastIndexOf('\x1b[?25h')).to.be.above(watching.stdout.lastIndexOf('\x1b[?25l'));
  });

  it('prints one screen below the other where stdout is no terminal', async () => {
    using watching = new Watching([process.execPath, ...WATCH], cluster.env);
    await until('two screens', () => watching.stdout.match(/^--- \d{4}-/gm)?.length === 2, {
      timeoutMs: 20_000,
    });
    watching.child.kill('SIGINT');
    expect(await watching.ended, watching.stderr).to.equal(0);
    expect(watching.stdout.split('Keys-dbs (keys)')).to.have.length(3);
    expect(watching.stdout).not.to.include('\x1b');
  });

  it('with --json writes a document in each line, and names a silent source once', async () => {
    const env = { ...cluster.env, KEYMILL_ZOOKEEPER: '127.0.0.1:1' };
    using watching = new Watching([process.execPath, ...WATCH, '--json'], env);
    await until('two lines', () => watching.stdout.split('\n').length >= 3);
    watching.child.kill('SIGTERM');
    expect(await watching.ended).to.equal(0);
    const lines = watching.stdout.trimEnd().split('\n');
    for (const line of lines) {
      const document = JSON.parse(line) as { at: string; pools: object[]; unreachable: string[] };
      expect(Date.parse(document.at)).to.be.closeTo(Date.now(), 60_000);
      expect(document.pools).to.have.length(2);
      expect(document.unreachable).to.deep.equal(['zookeeper']);
    }
    // On a busy machine the reason may be another one in a later look, which is said then.
    const named = watching.stderr.match(/^.*unreachable: zookeeper.*$/gm) ?? [];
    expect(named).to.have.length.above(0);
    expect(named.filter((line, index) => line === named[index - 1])).to.deep.equal([]);
  });

  it('is wrong usage where there is no cluster', async () => {
    const outcome = await runKeymill(['status', '--watch'], { KEYMILL_RUN_DIR: '/no/such' });
    expect(outcome).to.include({ exitCode: 2, stdout: '' });
    expect(outcome.stderr).to.match(/no cluster is running here/);
  });
});
