import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import manifest from '../../package.json' with { type: 'json' };
import { REPOSITORY } from './run-dir.ts';

/**
 * The young generation of V8 is 4 MB instead of 32, and V8 prefers small code and a small heap to the last
 * bit of speed: 25 MB less at rest. Without its second compiler it is 5 MB less. A mapper with these flags
 * still follows thousands of links in a second.
 */
export const SMALL_NODE_FLAGS = [
  '--max-semi-space-size=2',
  '--optimize-for-size',
  '--no-turbofan',
  '--expose-gc',
];

const TIMEOUT_MS = 20_000;

/** How Node is started with little memory. */
export interface SmallNode {
  readonly flags: readonly string[];
  /** Of the process, beside its settings. */
  readonly env: NodeJS.ProcessEnv;
}

/** In the folder of the copies, when those of this version are there. */
const ALL_COPIES = `of-${manifest.version}`;

/**
 * Modules come from copies without types (plain-modules.mjs), in the folder that the launchers made for
 * compiled code. Without that folder, Node strips the types itself.
 */
export function smallNode(): SmallNode {
  const folder = findFolder();
  // Threads that share one arena leave less memory unused.
  const env = { MALLOC_ARENA_MAX: '1' };
  if (folder === undefined) return { flags: SMALL_NODE_FLAGS, env };
  const hook = pathToFileURL(join(REPOSITORY, 'scripts/cluster/plain-modules.mjs'));
  hook.searchParams.set('folder', folder);
  return {
    flags: [...SMALL_NODE_FLAGS, `--import=${hook.href}`],
    env: { ...env, NODE_COMPILE_CACHE: undefined },
  };
}

function findFolder(): string | undefined {
  const cache = process.env['NODE_COMPILE_CACHE'];
  if (!cache) return undefined;
  const folder = join(cache, 'plain');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/**
 * Makes the copies once for each version, so that also the first mapper of a small cluster never loads the
 * type stripper: 25 to 40 MB. The mapper is started without any configuration: it loads its modules, finds
 * that its variables are missing, and ends. Never rejects, since nothing depends on it.
 */
export async function stripMapper(signal: AbortSignal): Promise<void> {
  const folder = findFolder();
  if (folder === undefined || existsSync(join(folder, ALL_COPIES))) return;
  const { flags } = smallNode();
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const mapper = spawn(process.execPath, [...flags, join(REPOSITORY, 'mapper/main.ts')], {
    env: { PATH: process.env['PATH'] },
    stdio: 'ignore',
    timeout: TIMEOUT_MS,
    signal,
  });
  mapper.once('error', () => resolve());
  mapper.once('exit', () => resolve());
  await ended;
  if (!signal.aborted) writeFileSync(join(folder, ALL_COPIES), '');
}
