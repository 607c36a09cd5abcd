import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { until } from '../until.ts';

const PARENT = join(import.meta.dirname, 'fixtures/parent.ts');

describe('keymill drill and bench, programs of their own', () => {
  const dir = mkdtempSync(join(tmpdir(), 'keymill-elsewhere-'));
  const file = join(dir, 'signal');
  let parent: ChildProcess;
  let pid: number;

  after(() => rmSync(dir, { recursive: true }));

  afterEach(() => {
    parent.kill('SIGKILL');
    if (isRunning(pid)) process.kill(pid, 'SIGKILL');
    rmSync(file, { force: true });
  });

  async function start(argument: string): Promise<void> {
    parent = spawn(process.execPath, [PARENT, argument], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    parent.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    pid = await until('the program to start', () => Number(/^(\d+)\n/.exec(output)?.[1] ?? 0) || undefined);
  }

  it('are stopped by the signal that stops keymill, and give their exit code', async () => {
    await start(file);
    parent.kill('SIGINT');
    expect(await once(parent, 'exit')).to.deep.equal([7, null]);
    expect(readFileSync(file, 'utf8')).to.equal('SIGINT');
    expect(isRunning(pid)).to.equal(false);
  });

  it('stop as after SIGTERM when keymill is killed', async () => {
    await start(file);
    parent.kill('SIGKILL');
    await until('the program to end', () => !isRunning(pid));
    expect(existsSync(file) && readFileSync(file, 'utf8')).to.equal('SIGTERM');
  });

  it('give 128 + the number of the signal that ended them', async () => {
    await start('none');
    parent.kill('SIGTERM');
    expect(await once(parent, 'exit')).to.deep.equal([128 + 15, null]);
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
