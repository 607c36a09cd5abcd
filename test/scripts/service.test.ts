import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { REPOSITORY, RunDir } from '../../scripts/cluster/run-dir.ts';
import { State } from '../../scripts/cluster/state.ts';
import { identityOf } from '../../scripts/servers/identity.ts';
import { until } from '../until.ts';

/** `scripts/service` with an `up` and a `down` that only say how they were called, and a short `sleep`. */
class ServiceUnderTest implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'keymill service '));
  readonly #runDir: RunDir;
  readonly #parts: ChildProcess[] = [];
  readonly #started: ChildProcess;
  readonly ended: Promise<number | null>;

  constructor(options: readonly string[], up = 'exit 0', record: (state: State) => void = () => undefined) {
    const scripts = join(this.folder, 'scripts');
    for (const folder of ['scripts', 'bin', '.run']) mkdirSync(join(this.folder, folder));
    mkdirSync(join(scripts, 'cluster'));
    for (const name of ['service', 'cluster/serves.mjs'])
      copyFileSync(join(REPOSITORY, 'scripts', name), join(scripts, name));
    symlinkSync(join(REPOSITORY, 'node_modules'), join(this.folder, 'node_modules'));
    this.#write('scripts/up', `echo "up $*" >>"${this.folder}/calls"; ${up}`);
    this.#write('scripts/down', `echo "down $*" >>"${this.folder}/calls"`);
    this.#write('bin/sleep', 'exec /bin/sleep 0.02');
    this.#write('bin/systemd-notify', `echo "$NOTIFY_SOCKET $*" >>"${this.folder}/told"`);
    this.#runDir = new RunDir(join(this.folder, '.run'));
    this.start('redis-1');
    record(this.#state);
    this.#started = spawn('/bin/sh', [join(scripts, 'service'), ...options], {
      env: { PATH: `${join(this.folder, 'bin')}:${process.env['PATH']}`, NOTIFY_SOCKET: '/run/x' },
      stdio: 'ignore',
    });
    this.ended = new Promise((resolve) => this.#started.once('exit', resolve));
  }

  #write(name: string, text: string): void {
    const path = join(this.folder, name);
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
  }

  get #state(): State {
    return State.open(this.#runDir);
  }

  /** Puts a part on record, as `up` does. */
  start(id: string): ChildProcess {
    const part = spawn('/bin/sleep', ['60'], { stdio: 'ignore' });
    this.#parts.push(part);
    const identity = identityOf(part.pid ?? 0);
    if (identity === undefined) throw new Error('it has ended');
    this.#state.recordProcess(id, 'redis', identity);
    return part;
  }

  forget(id: string): void {
    this.#state.forgetProcess(id);
  }

  linesOf(name: 'calls' | 'told'): string[] {
    const path = join(this.folder, name);
    return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : [];
  }

  [Symbol.dispose](): void {
    for (const child of [this.#started, ...this.#parts]) child.kill('SIGKILL');
    rmSync(this.folder, { recursive: true });
  }
}

describe('scripts/service', () => {
  const START = 'up --small --detach';

  it('starts the cluster with its options, and tells systemd when it is ready', async () => {
    using service = new ServiceUnderTest(['--small']);
    await until('readiness', () => service.linesOf('told').length > 0);
    expect(service.linesOf('calls')).to.deep.equal([START]);
    expect(service.linesOf('told')).to.deep.equal(['/run/x --ready --status=the cluster is ready']);
  });

  const SHAPE = { keysDbs: 4, redis: 4, zookeepers: 3, mysqlServers: 1 };
  const NUMBERS = ['--mappers', '1', '--processes-per-mapper=2'];

  it('keeps the shape of a cluster that exists, and the numbers of one that has grown', async () => {
    const small = ['--small', ...NUMBERS];
    const kept = 'up --mappers 1 --processes-per-mapper=2 --detach';
    const cases: [options: readonly string[], record: (state: State) => void, call: string][] = [
      [small, (state) => state.recordShape(SHAPE), kept],
      [
        small,
        (state) => {
          state.recordShape(SHAPE);
          state.recordGrowth({});
        },
        'up --detach',
      ],
      [
        NUMBERS,
        (state) => {
          state.recordGrowth({});
          state.recordSetup({ keySource: 'counter' });
        },
        'up --detach',
      ],
      // It was installed again when the cluster was a full one.
      [NUMBERS, (state) => state.recordGrowth({}), kept],
    ];
    for (const [options, record, call] of cases) {
      using service = new ServiceUnderTest(options, 'exit 0', record);
      await until('readiness', () => service.linesOf('told').length > 0);
      expect(service.linesOf('calls')).to.deep.equal([call]);
    }
  });

  it('keeps the numbers of servers that a person has changed since the first start', async () => {
    const servers = ['--redis', '3', '--keys-dbs=2', '--zookeepers', '1', '--mysql-servers=3'];
    const options = [...servers, '--zookeeper-open', '--mappers', '3'];
    const cases: [record: (state: State) => void, call: string][] = [
      // A first start that failed has left a shape, and no data.
      [(state) => state.recordShape(SHAPE), `up ${options.join(' ')} --detach`],
      [
        (state) => {
          state.recordShape(SHAPE);
          state.recordEstablished();
        },
        'up --zookeeper-open --mappers 3 --detach',
      ],
    ];
    for (const [record, call] of cases) {
      using service = new ServiceUnderTest(options, 'exit 0', record);
      await until('readiness', () => service.linesOf('told').length > 0);
      expect(service.linesOf('calls')).to.deep.equal([call]);
    }
  });

  it('keeps the shape of a cluster that has grown since the first start, when all of it has ended', async () => {
    using service = new ServiceUnderTest(['--small']);
    await until('readiness', () => service.linesOf('told').length > 0);
    State.open(new RunDir(join(service.folder, '.run'))).recordShape(SHAPE);
    service.start('redis-1').kill('SIGKILL');
    await until('the repair', () => service.linesOf('calls').length > 1);
    expect(service.linesOf('calls').at(-1)).to.equal('up --detach --repair');
  });

  it('tells up that it is the service', async () => {
    using service = new ServiceUnderTest([], 'echo "$KEYMILL_SERVICE" >"$(dirname "$0")/../told"');
    await until('a start', () => service.linesOf('told').length > 0);
    expect(service.linesOf('told')[0]).to.equal('1');
  });

  it('ends with an error when the cluster does not start', async () => {
    using service = new ServiceUnderTest(['--small'], 'exit 3');
    expect(await service.ended).to.equal(3);
    expect(service.linesOf('told')).to.deep.equal([]);
  });

  it('starts a part again that has ended, without changing the numbers of the others', async () => {
    using service = new ServiceUnderTest(['--small']);
    const mapper = service.start('mapper-1');
    await until('readiness', () => service.linesOf('told').length > 0);
    mapper.kill('SIGKILL');
    await until('the repair', () => service.linesOf('calls').includes('up --detach --repair'));
  });

  it('starts all with its options when every part has ended', async () => {
    using service = new ServiceUnderTest(['--small'], 'exit 0');
    await until('readiness', () => service.linesOf('told').length > 0);
    service.start('redis-1').kill('SIGKILL');
    await until('the repair', () => service.linesOf('calls').includes('up --small --detach --repair'));
  });

  it('ends without an error when somebody has stopped the cluster', async () => {
    using service = new ServiceUnderTest(['--small']);
    await until('readiness', () => service.linesOf('told').length > 0);
    service.forget('redis-1');
    expect(await service.ended).to.equal(0);
    expect(service.linesOf('calls')).to.deep.equal([START]);
  });

  it('stops everything when five repairs in a row have failed', async () => {
    using service = new ServiceUnderTest(['--small'], 'case $* in *--repair*) exit 1;; esac');
    service.start('mapper-1').kill('SIGKILL');
    expect(await service.ended).to.equal(1);
    const repairs = service.linesOf('calls').filter((call) => call === 'up --detach --repair');
    expect(repairs).to.have.length(5);
    expect(service.linesOf('calls').at(-1)).to.match(/^down/);
  });

  it('goes on while a mapper serves, however many repairs have failed', async () => {
    const mapper = createServer((_, response) => response.end());
    await new Promise<void>((resolve) => mapper.listen(0, '127.0.0.1', resolve));
    const { port } = mapper.address() as AddressInfo;
    try {
      using service = new ServiceUnderTest(['--small'], 'case $* in *--repair*) exit 1;; esac', (state) => {
        state.recordPort('mapper-1/admin', port);
        state.recordProcess('mapper-1', 'mapper', { pid: process.pid, startTime: ownStart() });
      });
      service.start('redis-2').kill('SIGKILL');
      await until('the seventh repair', () => service.linesOf('calls').length > 7);
      mapper.close();
      expect(await service.ended).to.equal(1);
      expect(service.linesOf('calls').at(-1)).to.match(/^down/);
    } finally {
      mapper.close();
    }
  });

  it('does not take another process for a part that has ended', async () => {
    using service = new ServiceUnderTest(['--small']);
    await until('readiness', () => service.linesOf('told').length > 0);
    const state = State.open(new RunDir(join(service.folder, '.run')));
    state.recordProcess('mapper-1', 'mapper', { pid: process.pid, startTime: '1' });
    await until('the repair', () => service.linesOf('calls').includes('up --detach --repair'));
  });
});

/** When this process started, as the record says it. */
function ownStart(): string {
  return identityOf(process.pid)?.startTime ?? '';
}

describe('./scripts/up --repair', () => {
  it('leaves a cluster alone that was stopped', () => {
    const folder = mkdtempSync(join(tmpdir(), 'keymill-repair-'));
    try {
      const runDir = join(folder, 'run');
      const text = execFileSync(process.execPath, ['scripts/up.ts', '--detach', '--repair'], {
        cwd: REPOSITORY,
        env: { ...process.env, KEYMILL_RUN_DIR: runDir },
        encoding: 'utf8',
        stdio: 'pipe',
      });
      expect(text).to.equal('');
      expect(existsSync(runDir)).to.equal(false);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
