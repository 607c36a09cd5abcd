import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from '../cluster/run-dir.ts';

export interface ToolResult {
  readonly output: string;
  readonly exitCode: number;
  readonly seconds: number;
}

const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path));

/**
 * Runs a tool of node_modules with this Node. It is killed when we are, however that happens.
 * @param script path below node_modules
 * @param show writes its output as it comes; else it is only returned
 * @param env added to ours
 * @param signal aborted when it is to end, as by Ctrl-C
 */
export async function runTool(
  script: string,
  args: readonly string[],
  show: boolean,
  env: NodeJS.ProcessEnv = {},
  signal?: AbortSignal,
): Promise<ToolResult> {
  const began = performance.now();
  const command = [process.execPath, join(REPOSITORY, 'node_modules', script), ...args];
  const [file = '', ...rest] =
    SETPRIV === undefined ? command : [SETPRIV, '--pdeathsig', 'KILL', '--', ...command];
  const child = spawn(file, rest, {
    cwd: REPOSITORY,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const interrupt = (): void => void child.kill('SIGINT');
  signal?.addEventListener('abort', interrupt, { once: true });
  let output = '';
  const collect = (chunk: Buffer): void => {
    output += chunk.toString();
    if (show) process.stdout.write(chunk);
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const { promise, resolve } = Promise.withResolvers<number>();
  child.once('error', (error) => {
    output += `${error.message}\n`;
    resolve(1);
  });
  child.once('close', (code) => resolve(code ?? 1));
  const exitCode = await promise;
  signal?.removeEventListener('abort', interrupt);
  return { output, exitCode, seconds: (performance.now() - began) / 1000 };
}
