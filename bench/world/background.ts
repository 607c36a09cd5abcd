import { readFileSync } from 'node:fs';
import { idleAllThreads, unidleAllThreads } from '../../mapper/pictures/idle-threads.ts';

/**
 * Lets processes run only when nobody else wants a processor: those that would be on other machines, and are
 * not what is measured. Otherwise the latencies of a mapper contain their turns on the few processors here.
 * It is over when disposed: other rows measure the same servers.
 * @throws Error when it is not allowed
 */
export function putInBackground(pids: readonly number[]): Disposable {
  for (const pid of pids) idleAllThreads(pid);
  return {
    [Symbol.dispose]: () => {
      for (const pid of pids.filter(isThere)) unidleAllThreads(pid);
    },
  };
}

function isThere(pid: number): boolean {
  try {
    readFileSync(`/proc/${pid}/stat`);
    return true;
  } catch {
    return false;
  }
}
