import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { REPOSITORY } from '../cluster/run-dir.ts';

export interface ToolResult {
  readonly output: string;
  readonly exitCode: number;
  readonly seconds: number;
}

const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path));

interface ToolOptions {
  /** Writes the output as it comes; without it the output is only returned. */
  readonly isShown?: boolean;
  /** Takes only the time of processors that nobody else wants. */
  readonly isPatient?: boolean;
  /** Added to our own environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** When aborted, the tool gets SIGINT, as by Ctrl-C. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs a tool of node_modules with this Node. The kernel kills it when this process dies, for whatever
 * reason.
 * @param script path below node_modules
 */
export async function runTool(
  script: string,
  args: readonly string[],
  { isShown = false, isPatient = false, env = {}, signal }: ToolOptions = {},
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
  if (isPatient && child.pid !== undefined) makePatient(child.pid);
  const interrupt = (): void => void child.kill('SIGINT');
  signal?.addEventListener('abort', interrupt, { once: true });
  let output = '';
  const collect = (chunk: Buffer): void => {
    output += chunk.toString();
    if (isShown) process.stdout.write(chunk);
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

/** Not before the processes that hash passwords on an idle machine, which tests wait for. */
function makePatient(pid: number): void {
  setPriority(pid, constants.priority.PRIORITY_LOW);
  // Where it is not allowed or not there, the priority is low at least.
  spawnSync('/usr/bin/chrt', ['--all-tasks', '--idle', '--pid', '0', String(pid)], { stdio: 'ignore' });
}
