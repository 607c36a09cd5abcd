import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { REPOSITORY, type RunDir } from '../../scripts/cluster/run-dir.ts';

const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

export interface KeymillResult {
  readonly stdout: string;
  /** Undefined when the command ended with exit code 0. */
  readonly error: Error | undefined;
}

/**
 * Runs `./scripts/keymill` on the cluster in `runDir`. Never rejects.
 * @param signal its abort kills the command by SIGKILL
 */
export async function runKeymill(
  runDir: RunDir,
  args: readonly string[],
  { timeoutMs = 0, signal }: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {},
): Promise<KeymillResult> {
  const { promise, resolve } = Promise.withResolvers<KeymillResult>();
  execFile(
    join(REPOSITORY, 'scripts', 'keymill'),
    args,
    {
      env: { ...process.env, KEYMILL_RUN_DIR: runDir.path },
      timeout: timeoutMs,
      ...(signal && { signal, killSignal: 'SIGKILL' }),
      maxBuffer: MAX_OUTPUT_BYTES,
    },
    (error, stdout) => resolve({ stdout, error: error ?? undefined }),
  );
  return promise;
}
