import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

/**
 * A process that cannot be confused with another: the kernel reuses process ids, but not a process id
 * together with its start time. `startTime` is the kernel's (clock ticks since boot on Linux) and is only
 * compared for equality.
 */
export const ProcessIdentity = z.object({ pid: z.number(), startTime: z.string() }).readonly();
export type ProcessIdentity = z.infer<typeof ProcessIdentity>;

/**
 * The start time of a running process; undefined when it has ended. A zombie (state Z) counts as ended: it
 * holds nothing.
 */
export function findStartTime(pid: number): string | undefined {
  if (process.platform !== 'linux') return findStartTimeByPs(pid);
  try {
    // "pid (name) state ppid …": the name may contain spaces and brackets, so we read from the last bracket
    // on.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function findStartTimeByPs(pid: number): string | undefined {
  try {
    const [state, ...started] = execFileSync('ps', ['-o', 'state=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
    })
      .trim()
      .split(/\s+/);
    return state === undefined || state.startsWith('Z') ? undefined : started.join(' ');
  } catch {
    return undefined;
  }
}

/** The identity of a running process; undefined when it has ended. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const startTime = findStartTime(pid);
  return startTime === undefined ? undefined : { pid, startTime };
}

/** False when the process has ended, is a zombie, or another process has its id now. */
export function isRunning({ pid, startTime }: ProcessIdentity): boolean {
  return findStartTime(pid) === startTime;
}

/** Sends a signal to this process and never to another with its id; false when it has ended. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isRunning(identity)) return false;
  try {
    return process.kill(identity.pid, signal);
  } catch {
    return false;
  }
}

/** Resolves with true when the process has ended, with false when it still runs after `timeoutMs`. */
export async function waitUntilGone(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (isRunning(identity)) {
    if (performance.now() > deadline) return false;
    await delay(10);
  }
  return true;
}

/**
 * Ends a process: SIGTERM, SIGCONT so that a stopped process handles it, and SIGKILL when it still runs after
 * `graceMs`. Resolves when the process has ended.
 * @throws Error when even SIGKILL does not end it, because it hangs in the kernel
 */
export async function stopProcess(
  identity: ProcessIdentity,
  graceMs: number,
): Promise<'stopped' | 'killed' | 'gone'> {
  if (!signalProcess(identity, 'SIGTERM')) return 'gone';
  signalProcess(identity, 'SIGCONT');
  if (await waitUntilGone(identity, graceMs)) return 'stopped';
  signalProcess(identity, 'SIGKILL');
  if (await waitUntilGone(identity, 10_000)) return 'killed';
  throw new Error(`process ${identity.pid} does not end, not even by SIGKILL`);
}
