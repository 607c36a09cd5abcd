import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { REPOSITORY } from './run-dir.ts';

/**
 * The young generation of V8 is 2 MB instead of 32, and V8 prefers small code and a small heap to the last
 * bit of speed: 25 MB less at rest. Without its optimizing compilers it is 5 and 10 MB less: their program,
 * and the memory that they leave behind in pieces. A redirect then takes a quarter more time of a processor,
 * and a mapper still follows thousands of links in a second. The mapper itself looks for --optimize-for-size
 * (mapper/saves-memory.ts) and uses --expose-gc (mapper/tidying.ts).
 */
export const SMALL_NODE_FLAGS = [
  '--max-semi-space-size=1',
  '--optimize-for-size',
  '--no-turbofan',
  '--no-maglev',
  '--expose-gc',
];

/**
 * The memory of C and C++ of a process, for its environment. Threads that share one arena leave less unused:
 * each would keep up to 2 MB that only its busiest moment needed. And what is free at the end of the heap
 * goes back to the system: this is glibc's own limit, which it raises with each large block that is freed,
 * unless it is set.
 */
export const SMALL_MALLOC = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '131072' };

const CLUSTER = join(REPOSITORY, 'scripts/cluster');
const TIMEOUT_MS = 20_000;

/** How Node is started with little memory. */
export interface SmallNode {
  readonly flags: readonly string[];
  /** Of the process, beside its settings. */
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Modules come from copies without types (plain-modules.mjs), in the folder that the launchers made for
 * compiled code. Without that folder, Node strips the types itself.
 */
export function smallNode(): SmallNode {
  const folder = findFolder();
  if (folder === undefined) return { flags: SMALL_NODE_FLAGS, env: SMALL_MALLOC };
  return {
    flags: [...SMALL_NODE_FLAGS, `--import=${hookWith(folder)}`],
    env: { ...SMALL_MALLOC, NODE_COMPILE_CACHE: undefined },
  };
}

function hookWith(folder: string): string {
  const hook = pathToFileURL(join(CLUSTER, 'plain-modules.mjs'));
  hook.searchParams.set('folder', folder);
  return hook.href;
}

function findFolder(): string | undefined {
  const cache = process.env['NODE_COMPILE_CACHE'];
  if (!cache) return undefined;
  const folder = join(cache, 'plain');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/**
 * Makes the copies once for each state of the sources, so that no mapper of a small cluster ever loads the
 * type stripper: 25 to 40 MB. Never rejects, since nothing depends on it.
 */
export async function stripSources(signal: AbortSignal): Promise<void> {
  const folder = findFolder();
  if (folder === undefined) return;
  const mark = join(folder, `of-${digestOfSources()}`);
  if (existsSync(mark)) return;
  const { promise: ended, resolve } = Promise.withResolvers<number | null>();
  const stripper = spawn(
    process.execPath,
    [join(CLUSTER, 'strip-sources.mjs'), hookWith(folder), REPOSITORY],
    { env: { PATH: process.env['PATH'] }, stdio: 'ignore', timeout: TIMEOUT_MS, signal },
  );
  stripper.once('error', () => resolve(null));
  stripper.once('exit', resolve);
  if ((await ended) === 0) writeFileSync(mark, '');
}

/** Of all modules that a mapper may load, and of the Node that strips them. */
function digestOfSources(): string {
  const hash = createHash('sha256').update(process.version);
  for (const path of globSync('{coordinator,db,mapper,runtime}/**/*.ts', { cwd: REPOSITORY }).toSorted())
    hash.update(path).update(readFileSync(join(REPOSITORY, path)));
  return hash.digest('hex');
}
