import { readFileSync } from 'node:fs';
import type { ProgressLog } from '../cluster/progress-log.ts';
import type { State } from '../cluster/state.ts';
import { findStrays } from '../cluster/stop.ts';
import { stopProcess } from '../servers/identity.ts';

const GRACE_MS = 5_000;

/**
 * Ends processes of this cluster that are neither on record nor descend from one that is: a command that was
 * killed had just started them, and a second one with the same name would run beside them.
 */
export async function endStrays(state: State, progress: ProgressLog): Promise<void> {
  const recorded = new Set(state.processes().map(({ pid }) => pid));
  const strays = findStrays(state.token).filter(({ pid }) => !descendsFrom(pid, recorded));
  if (strays.length === 0) return;
  progress.line(`stopping left-over processes: ${strays.map(({ pid }) => pid).join(', ')} …`);
  await Promise.all(strays.map(async (stray) => stopProcess(stray, GRACE_MS)));
}

function descendsFrom(pid: number, ancestors: ReadonlySet<number>): boolean {
  for (let at: number | undefined = pid; at !== undefined && at > 1; at = parentOf(at)) {
    if (ancestors.has(at)) return true;
  }
  return false;
}

function parentOf(pid: number): number | undefined {
  try {
    // "pid (name) state ppid …": the name may contain spaces and brackets.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}
