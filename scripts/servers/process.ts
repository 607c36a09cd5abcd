import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { KeymillError } from '../../runtime/errors.ts';
import { findStartTime, signalProcess, stopProcess, type ProcessIdentity } from './identity.ts';

/** A server that listens. `stop` sends SIGTERM, waits, and then kills it; it may be called twice. */
export interface RunningServer {
  readonly id: string;
  readonly port: number;
  readonly pid: number;
  readonly startTime: string;
  signal(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

export interface ProcessOptions {
  readonly id: string;
  readonly command: string;
  readonly args: readonly string[];
  /** stdout and stderr are appended here. */
  readonly logFile: string;
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly cwd?: string;
  /**
   * True: the kernel kills it when the process that started it dies, for whatever reason. False: it continues
   * to run.
   */
  readonly dieWithParent: boolean;
}

/** Options of every server's start. */
export interface StartOptions {
  readonly logFile: string;
  readonly dieWithParent?: boolean;
  readonly env?: NodeJS.ProcessEnv;
  /**
   * Called as soon as the process exists, before the server is ready, so that the caller can record it and
   * stop it.
   */
  readonly onSpawn?: (spawned: ProcessIdentity) => void;
  readonly signal?: AbortSignal;
}

/** A server or process did not become ready. The message contains its id, the reason and its log file. */
export class StartError extends KeymillError {
  readonly id: string;
  /** The end of its log. */
  readonly lastLines: readonly string[];

  /** @param advice finds the line of the log from which on it has general advice, which is not shown */
  constructor(id: string, reason: string, logFile: string, advice?: RegExp) {
    super('NOT_STARTED', `${id} did not start: ${reason} (log: ${logFile})`);
    this.id = id;
    this.lastLines = lastLinesOf(logFile, 15, advice);
  }

  override get details(): readonly string[] {
    return this.lastLines;
  }
}

export interface StartedProcess {
  readonly identity: ProcessIdentity;
  readonly child: ChildProcess;
  /** Resolves with a sentence that tells how it ended, such as {@link EXITED_WELL}. */
  readonly exited: Promise<string>;
  readonly hasExited: () => boolean;
}

/** The sentence of a process that ended without a fault. */
export const EXITED_WELL = 'it ended with exit code 0';

const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path));

/**
 * Starts a process with its output in its log file and an empty stdin. It gets a process group of its own, so
 * that Ctrl-C reaches only us.
 */
export async function startProcess(options: ProcessOptions): Promise<StartedProcess> {
  mkdirSync(dirname(options.logFile), { recursive: true });
  const log = openSync(options.logFile, 'a', 0o600);
  const isGuarded = options.dieWithParent && SETPRIV !== undefined;
  const child = spawn(
    isGuarded ? SETPRIV : options.command,
    isGuarded ? ['--pdeathsig', 'KILL', '--', options.command, ...options.args] : [...options.args],
    { stdio: ['ignore', log, log], detached: true, cwd: options.cwd, env: options.env ?? process.env },
  );
  closeSync(log);
  const { promise: exited, resolve } = Promise.withResolvers<string>();
  const failed = new Promise<never>((_, reject) => {
    child.once('error', (error) => reject(new StartError(options.id, error.message, options.logFile)));
  });
  failed.catch(() => undefined);
  let hasExited = false;
  child.once('exit', (code, signal) => {
    hasExited = true;
    resolve(signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`);
  });
  child.unref();
  if (child.pid === undefined) return failed;
  const startTime = findStartTime(child.pid) ?? 'gone';
  return { identity: { pid: child.pid, startTime }, child, exited, hasExited: () => hasExited };
}

/**
 * Starts a server and resolves when `probe` returns true.
 * @throws StartError when it ends before, or is not ready in time. By then it has been stopped.
 */
export async function startServer(
  options: ProcessOptions & {
    readonly port: number;
    readonly probe: () => Promise<boolean>;
    readonly readyTimeoutMs: number;
    readonly stopTimeoutMs: number;
    readonly onSpawn?: StartOptions['onSpawn'] | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<RunningServer> {
  const started = await startProcess(options);
  options.onSpawn?.(started.identity);
  const { identity } = started;
  const deadline = performance.now() + options.readyTimeoutMs;
  try {
    while (!(await options.probe())) {
      options.signal?.throwIfAborted();
      if (started.hasExited()) throw new StartError(options.id, await started.exited, options.logFile);
      if (performance.now() > deadline) {
        const seconds = Math.round(options.readyTimeoutMs / 1000);
        throw new StartError(
          options.id,
          `it does not answer on port ${options.port} after ${seconds} s`,
          options.logFile,
        );
      }
      await delay(25);
    }
    // Another server may have answered on our port while our server failed to bind it.
    if (started.hasExited()) throw new StartError(options.id, await started.exited, options.logFile);
  } catch (error) {
    await stopProcess(identity, options.stopTimeoutMs);
    throw error;
  }
  return {
    id: options.id,
    port: options.port,
    ...identity,
    signal: (signal) => void signalProcess(identity, signal),
    stop: async () => void (await stopProcess(identity, options.stopTimeoutMs)),
  };
}

/**
 * The last non-empty lines of a log file; none when it cannot be read.
 * @param end finds the last line that does not count, nor do those behind it. Default: all lines count
 */
export function lastLinesOf(logFile: string, count: number, end?: RegExp): string[] {
  try {
    const lines = readFileSync(logFile, 'utf8')
      .split('\n')
      .filter((line) => line.trim() !== '');
    const ended = end === undefined ? -1 : lines.findLastIndex((line) => end.test(line));
    return lines.slice(0, ended === -1 ? lines.length : ended).slice(-count);
  } catch {
    return [];
  }
}
