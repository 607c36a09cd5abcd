import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { SMALL_NODE_FLAGS } from './members.ts';
import { REPOSITORY } from './run-dir.ts';

const TIMEOUT_MS = 20_000;

/**
 * Fills Node's compile cache with the modules of a mapper, so that also the first mapper of a small cluster
 * never loads the type stripper: 25 to 40 MB. The mapper is started without any configuration: it loads its
 * modules, finds that its variables are missing, and ends. Never rejects, since nothing depends on it.
 */
export async function compileMapper(signal: AbortSignal): Promise<void> {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  if (!NODE_COMPILE_CACHE) return;
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const mapper = spawn(process.execPath, [...SMALL_NODE_FLAGS, join(REPOSITORY, 'mapper/main.ts')], {
    env: { PATH, NODE_COMPILE_CACHE },
    stdio: 'ignore',
    timeout: TIMEOUT_MS,
    signal,
  });
  mapper.once('error', () => resolve());
  mapper.once('exit', () => resolve());
  await ended;
}
