import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { openEngine, type Engine } from '../../scripts/containers/engine.ts';
import { importProgram } from '../../scripts/containers/probe.ts';
import { until } from '../until.ts';
import { GATEWAY_NETWORK, OneNodeSwarm } from './one-node-swarm.ts';

/** The folder of a private engine, and an environment in which no other engine can be found. */
interface Alone {
  readonly dir: string;
  readonly env: NodeJS.ProcessEnv;
}

describe('an engine of our own', function () {
  this.timeout(180_000);
  const children: ChildProcess[] = [];
  const engines: Engine[] = [];
  let alone: Alone;
  let before: NodeJS.ProcessEnv;

  beforeEach(async () => {
    const dir = await mkdtemp(join(tmpdir(), 'keymill-engine-'));
    const own = { KEYMILL_ENGINE_DIR: dir, DOCKER_HOST: `unix://${join(dir, 'nobody.sock')}` };
    alone = { dir, env: { ...process.env, ...own } };
    before = { ...process.env };
    Object.assign(process.env, own);
  });

  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    // Of a test that has failed.
    for (const engine of engines.splice(0)) {
      const { docker } = engine;
      if (!(await docker.answers())) continue;
      const containers = await docker.lines(['ps', '--all', '--quiet']);
      if (containers.length > 0) await docker.run(['rm', '--force', ...containers]);
      await engine.release();
    }
    process.env = before;
    rmSync(alone.dir, { recursive: true, force: true });
  });

  it('runs on while it has a container, and ends when its last user ends', async () => {
    const first = await open();
    const { docker } = first;
    await importProgram(docker, { program: '/bin/sleep', image: 'sleeper', dir: alone.dir });
    const [container = ''] = await docker.lines([
      'run',
      '--detach',
      '--network=none',
      'sleeper',
      '/bin/sleep',
      '600',
    ]);
    await first.release();
    expect(await docker.answers()).to.equal(true);
    const second = await open();
    await second.release();
    expect(await docker.lines(['ps', '--quiet', '--no-trunc'])).to.deep.equal([container]);
    await docker.run(['rm', '--force', container]);
    await (await open()).release();
    expect(await docker.answers()).to.equal(false);
    expect(whatIsLeftOf(alone.dir)).to.deep.equal([]);
  });

  it('loses the bridge of a swarm that is dissolved, also one that still has an end', async () => {
    const engine = await open();
    const { docker } = engine;
    const networks = async (): Promise<string[]> => docker.lines(['network', 'ls', '--format', '{{.Name}}']);
    const before = await networks();
    await importProgram(docker, { program: '/bin/sleep', image: 'sleeper', dir: alone.dir });
    const swarm = await OneNodeSwarm.open(docker, []);
    await until('the bridge', async () => (await networks()).includes(GATEWAY_NETWORK));
    const onBridge = ['--detach', '--rm', `--network=${GATEWAY_NETWORK}`];
    const [container = ''] = await docker.lines(['run', ...onBridge, 'sleeper', '/bin/sleep', '600']);
    await swarm.close();
    expect(await networks()).to.have.members(before);
    await docker.run(['rm', '--force', container]);
    await engine.release();
    expect(whatIsLeftOf(alone.dir)).to.deep.equal([]);
  });

  it('ends with a command that is stopped while it makes an image, and leaves no process', async () => {
    const child = run(['scripts/stand-ins.ts'], alone.env);
    await until('an image to be made', () => child.output().includes("making the stand-ins' base"), {
      timeoutMs: 150_000,
    });
    const work = await until(
      'its folder',
      () => workFolders().find((path) => existsSync(join(path, 'tree/debootstrap'))),
      {
        timeoutMs: 30_000,
      },
    );
    child.process.kill('SIGTERM');
    const [code] = (await once(child.process, 'exit')) as [number | null];
    expect(code, child.output()).to.equal(1);
    expect(child.output()).to.contain('stopped by SIGTERM');
    expect(existsSync(work)).to.equal(false);
    expect(whatIsLeftOf(alone.dir).concat(whatIsLeftOf(work))).to.deep.equal([]);
  });

  it('fails the suite when none can be started, or skips it with --where-possible', async () => {
    const forbidden = ['--bounding-set=-sys_admin,-net_admin', '--inh-caps=-sys_admin,-net_admin', '--'];
    for (const [options, count, exitCode] of [
      [[], '0 passed, 1 failed, 0 skipped', 1],
      [['--where-possible'], '0 passed, 0 failed, 1 skipped', 0],
    ] as const) {
      const args = [...forbidden, process.execPath, 'scripts/test.ts', 'containers', ...options];
      const child = run(args, alone.env, 'setpriv');
      const [code] = (await once(child.process, 'close')) as [number | null];
      expect([code, child.output().trimEnd().split('\n').at(-1)]).to.deep.equal([exitCode, count]);
      expect(child.output()).to.match(/no container suite: no Docker engine can be started here: \S.*\n\d/);
      expect(whatIsLeftOf(alone.dir)).to.deep.equal([]);
    }
  });

  async function open(): Promise<Engine> {
    const engine = await openEngine(() => undefined);
    engines.push(engine);
    return engine;
  }

  function run(
    args: readonly string[],
    env: NodeJS.ProcessEnv,
    program: string = process.execPath,
  ): { process: ChildProcess; output: () => string } {
    const child = spawn(program, args, { cwd: REPOSITORY, env, stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    return { process: child, output: () => output };
  }
});

function workFolders(): string[] {
  return readdirSync(tmpdir())
    .filter((name) => name.startsWith('keymill-base-'))
    .map((name) => join(tmpdir(), name));
}

/** The mounts below a folder, and the processes with a path below it in their command line. */
function whatIsLeftOf(dir: string): string[] {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(`${dir}/`));
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((pid) => commandLineOf(pid))
    .filter((line) => line.includes(dir));
  return [...mounts, ...processes];
}

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
