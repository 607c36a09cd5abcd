import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';

/** The machine in one line. Two runs with the same line can be compared. */
export function describeMachine(): string {
  const cores = cpus();
  const model = cores[0]?.model.trim().replaceAll(/\s+/g, ' ') ?? 'unknown CPU';
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  const servers = `MariaDB ${versionOf('mariadbd')}, Redis ${versionOf('redis-check-rdb')}, wrk`;
  return `${cores.length} × ${model}, ${memory}, ${system()}, Linux ${release()}, Node ${process.versions.node}, ${servers}`;
}

/** The short commit, with a + when the tree was changed since. `unknown` outside a clone. */
export function describeCommit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', REPOSITORY, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no', '--', '.', ':!docs').trim() !== '';
    return `${git('rev-parse', '--short=10', 'HEAD').trim()}${changed ? '+' : ''}`;
  } catch {
    return 'unknown';
  }
}

function system(): string {
  try {
    return /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? process.platform;
  } catch {
    return process.platform;
  }
}

function versionOf(command: string): string {
  try {
    return /\d+\.\d+\.\d+/.exec(execFileSync(command, ['--version'], { encoding: 'utf8' }))?.[0] ?? '';
  } catch {
    return '';
  }
}
