import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { ClusterError } from '../cluster/errors.ts';

/** Debian's client first: a different client on the PATH may be too new for Debian's engine. */
const CLIENT = ['/usr/bin/docker'].find((path) => existsSync(path)) ?? 'docker';

export interface CommandOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Text for its stdin. */
  readonly input?: string;
  /** Called with every line of stderr and stdout as it arrives. */
  readonly onLine?: (line: string) => void;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

const TIMEOUT_MS = 120_000;

/** From SIGTERM to SIGKILL for a program and its children. */
const KILL_AFTER_MS = 5_000;
/** How long the engine may take to end a build whose client is gone. */
const BUILD_END_MS = 10_000;

/**
 * Runs a program to its end and resolves with its exit code, also when it fails.
 * @throws when the program cannot be started, takes longer than `timeoutMs` or is aborted. By then the
 *   program and all of its children have ended.
 */
export async function tryCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { promise, resolve, reject } = Promise.withResolvers<CommandResult>();
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const deadline = AbortSignal.timeout(timeoutMs);
  const stopping = options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]);
  options.signal?.throwIfAborted();
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  let killing: NodeJS.Timeout | undefined;
  const stop = (): void => {
    signalGroup(child.pid, 'SIGTERM');
    killing = setTimeout(() => {
      signalGroup(child.pid, 'SIGKILL');
      // A child that has left the group may keep these streams open forever.
      for (const stream of [child.stdout, child.stderr]) stream.destroy();
    }, KILL_AFTER_MS);
  };
  stopping.addEventListener('abort', stop, { once: true });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
      if (options.onLine !== undefined)
        for (const line of text.split('\n')) if (line.trim() !== '') options.onLine(line);
    });
  }
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  child.once('error', reject);
  child.once('close', (code) => {
    stopping.removeEventListener('abort', stop);
    clearTimeout(killing);
    if (options.signal?.aborted) reject(options.signal.reason);
    else if (killing !== undefined)
      reject(new ClusterError(`${command} ${args[0] ?? ''} took longer than ${timeoutMs / 1_000} s`));
    else resolve({ exitCode: code ?? 1, ...output });
  });
  return promise;
}

/** Signals a process and all children in its group. A package manager has many. */
function signalGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, signal);
  } catch {
    // All of them have ended.
  }
}

/**
 * Runs a program and resolves with its stdout.
 * @throws ClusterError with the end of its output when it fails
 */
export async function command(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { exitCode, stdout, stderr } = await tryCommand(program, args, options);
  if (exitCode === 0) return stdout;
  const end = `${stdout}\n${stderr}`.trimEnd().split('\n').slice(-15).join('\n');
  throw new ClusterError(
    `${program} ${args.slice(0, 4).join(' ')} … failed (exit code ${exitCode}):\n${end}`,
  );
}

/** The docker client for one engine. */
export class Docker {
  /** `unix:///…`, as `DOCKER_HOST` has it. */
  readonly host: string;

  constructor(host: string) {
    this.host = host;
  }

  /** The environment that makes every docker tool use this engine. */
  get environment(): NodeJS.ProcessEnv {
    return { ...process.env, DOCKER_HOST: this.host };
  }

  /** @throws ClusterError when it fails */
  async run(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return command(CLIENT, args, { env: this.environment, ...options });
  }

  async try(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return tryCommand(CLIENT, args, { env: this.environment, ...options });
  }

  /** The lines of a listing, such as `lines(['ps', '-q'])`. */
  async lines(args: readonly string[]): Promise<string[]> {
    return (await this.run(args)).split('\n').filter((line) => line !== '');
  }

  /**
   * Builds an image. When it is aborted, the engine ends the build by itself; this rejects once no container
   * of the build is left.
   */
  async build(args: readonly string[], options: CommandOptions = {}): Promise<void> {
    const before = await this.lines(['ps', '--all', '--quiet']);
    const env = { ...this.environment, DOCKER_BUILDKIT: '0' };
    try {
      await this.run(['build', '--quiet', '--force-rm', ...args], { env, ...options });
    } catch (error) {
      const deadline = performance.now() + BUILD_END_MS;
      const isOver = async (): Promise<boolean> =>
        (await this.lines(['ps', '--all', '--quiet'])).every((id) => before.includes(id));
      if (options.signal?.aborted) while (performance.now() < deadline && !(await isOver())) await delay(100);
      throw error;
    }
  }

  async answers(): Promise<boolean> {
    try {
      const result = await this.try(['version', '--format', '{{.Server.Version}}'], { timeoutMs: 5_000 });
      return result.exitCode === 0;
    } catch {
      return false;
    }
  }

  async hasImage(image: string): Promise<boolean> {
    return (await this.try(['image', 'inspect', '--format', '{{.Id}}', image])).exitCode === 0;
  }
}
