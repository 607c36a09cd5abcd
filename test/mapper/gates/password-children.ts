import { execFileSync } from 'node:child_process';

/** The processes that hash passwords for the mappers of this process. */
function findChildren(): readonly number[] {
  const list = execFileSync('ps', ['-eo', 'pid,ppid,args'], { encoding: 'utf8' });
  return list
    .split('\n')
    .filter((line) => line.includes('password-main.ts'))
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([pid, parent]) => (pid !== undefined && parent === process.pid ? [pid] : []));
}

/**
 * Stops them until it is disposed of, so that passwords wait. After two seconds a mapper starts another one.
 */
export function stopPasswords(): Disposable {
  const children = findChildren();
  if (children.length === 0) throw new Error('no password has been hashed yet');
  for (const pid of children) process.kill(pid, 'SIGSTOP');
  return {
    [Symbol.dispose]: () => {
      for (const pid of findChildren()) if (children.includes(pid)) process.kill(pid, 'SIGCONT');
    },
  };
}
