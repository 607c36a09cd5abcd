import { readFileSync } from 'node:fs';

/** Of the system, for programs: the same on every Linux. */
const TICKS_PER_SECOND = 100;

/**
 * The processor time that a process has used, all of its threads together, in milliseconds.
 * @returns undefined: it has gone, or the system does not say it
 */
export function cpuMsOf(pid: number | undefined): number | undefined {
  if (pid === undefined) return undefined;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name of the program, in brackets, may contain anything. Fields 14 and 15.
    const [user, system] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13)
      .map(Number);
    const ms = (((user ?? Number.NaN) + (system ?? Number.NaN)) * 1_000) / TICKS_PER_SECOND;
    return Number.isNaN(ms) ? undefined : ms;
  } catch {
    return undefined;
  }
}
