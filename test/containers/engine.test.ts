import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { openEngine } from '../../scripts/containers/engine.ts';
import { importProgram } from '../../scripts/containers/probe.ts';
import { until } from '../until.ts';

/** The folder of a private engine, and an environment in which no other engine can be found. */
interface Alone {
  readonly dir: string;
  readonly env: NodeJS.ProcessEnv;
}

describe('an engine of our own', function () {
  this.timeout(180_000);
  const children: ChildProcess[] = [];
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
    process.env = before;
    rmSync(alone.dir, { recursive: true, force: true });
  });

  it('runs on while it has a container, and ends when its last user ends', async () => {
    const report = (): void => undefined;
    const first = await openEngine(report);
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
    const second = await openEngine(report);
    await second.release();
    expect(await docker.lines(['ps', '--quiet', '--no-trunc'])).to.deep.equal([container]);
    await docker.run(['rm', '--force', container]);
    await (await openEngine(report)).release();
    expect(await docker.answers()).to.equal(false);
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
