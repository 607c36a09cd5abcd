import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

interface Stat {
  readonly parent: number;
  readonly ticks: number;
}

/** The kernel's unit of `utime` and `stime` (USER_HZ): 100 a second on every current Linux. */
const TICKS_PER_SECOND = 100;

/**
 * CPU time in ms that these processes and all their descendants have used, in user and kernel mode. A process
 * that has ended counts nothing.
 */
export function cpuMsOf(pids: readonly number[]): number {
  return cpuMsIn(readStats(), pids);
}

/** The same for several groups of processes at one moment. */
export function cpuMsOfEach<Part extends string>(
  groups: Readonly<Record<Part, readonly number[]>>,
): Record<Part, number> {
  const stats = readStats();
  const parts = Object.entries<readonly number[]>(groups).map(([part, pids]) => [part, cpuMsIn(stats, pids)]);
  return Object.fromEntries(parts) as Record<Part, number>;
}

function cpuMsIn(stats: ReadonlyMap<number, Stat>, pids: readonly number[]): number {
  const ticks = [...withDescendants(stats, pids)].reduce((sum, pid) => sum + (stats.get(pid)?.ticks ?? 0), 0);
  return (ticks * 1_000) / TICKS_PER_SECOND;
}

function withDescendants(stats: ReadonlyMap<number, Stat>, pids: readonly number[]): Set<number> {
  const wanted = new Set(pids);
  for (let grown = true; grown;) {
    grown = false;
    for (const [pid, { parent }] of stats) {
      if (!wanted.has(parent) || wanted.has(pid)) continue;
      wanted.add(pid);
      grown = true;
    }
  }
  return wanted;
}

/** CPU time in ms of `pid` and all its descendants, as exact as {@link cpuMsOfOne}. */
export function cpuMsOfTree(pid: number): number {
  return [...withDescendants(readStats(), [pid])].reduce((sum, one) => sum + cpuMsOfOne(one), 0);
}

/**
 * CPU time in ms of one process without its descendants. Its threads' schedstat counts nanoseconds, where
 * `utime` counts ticks of 10 ms, which are too coarse for a window of half a second of CPU. 0 when the
 * process has ended.
 */
export function cpuMsOfOne(pid: number | undefined): number {
  try {
    const dir = `/proc/${pid}/task`;
    const nanosecondsOf = (thread: string): number =>
      Number.parseInt(readFileSync(`${dir}/${thread}/schedstat`, 'latin1'), 10);
    return readdirSync(dir).reduce((sum, thread) => sum + nanosecondsOf(thread), 0) / 1e6;
  } catch {
    return 0;
  }
}

/** The number of processes in the tree of `pid`, itself included. */
export function processesOf(pid: number): number {
  const stats = readStats();
  return (stats.has(pid) ? 1 : 0) + descendantsOf(pid, stats).length;
}

function descendantsOf(pid: number, stats: ReadonlyMap<number, Stat>): number[] {
  const below = [...stats].filter(([, { parent }]) => parent === pid).map(([child]) => child);
  return below.flatMap((child) => [child, ...descendantsOf(child, stats)]);
}

function readStats(): Map<number, Stat> {
  const stats = new Map<number, Stat>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      stats.set(Number(name), parseStat(readFileSync(`/proc/${name}/stat`, 'latin1')));
    } catch {
      // It has ended.
    }
  }
  return stats;
}

/** Pure. A name may hold spaces and brackets, so the fields are counted from the last bracket on. */
export function parseStat(text: string): Stat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
}

/** Resident memory in bytes of a process and all its descendants. */
export function residentBytesOf(pid: number): number {
  return [pid, ...descendantsOf(pid, readStats())].reduce((sum, one) => sum + residentOf(one), 0);
}

/** The same without descendants that run a program of this name, and that of these. */
export function residentBytesApart(pid: number, program: string): { own: number; apart: number } {
  const sum = { own: 0, apart: 0 };
  for (const one of [pid, ...descendantsOf(pid, readStats())])
    sum[one !== pid && commandOf(one).includes(program) ? 'apart' : 'own'] += residentOf(one);
  return sum;
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

function residentOf(pid: number): number {
  return memoryOf(pid)?.bytes ?? 0;
}

/**
 * Resident memory of one process in bytes, and its highest value ever; undefined when the process is gone.
 */
export function memoryOf(pid: number | undefined): { bytes: number; peakBytes: number } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const bytesOf = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1_024;
    return { bytes: bytesOf('VmRSS'), peakBytes: bytesOf('VmHWM') };
  } catch {
    return undefined;
  }
}

/** Binds all threads of a process to one CPU, those it starts later included. */
export function pin(pid: number, cpu: number): void {
  execFileSync('taskset', ['-a', '-c', '-p', String(cpu), String(pid)], { stdio: 'ignore' });
}
