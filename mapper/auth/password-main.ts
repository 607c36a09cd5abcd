import { execFileSync } from 'node:child_process';
import { setPriority } from 'node:os';
import { monotonicMs } from '../../runtime/clock.ts';
import { pause } from '../../runtime/retry.ts';
import { createCommonCheck } from './common-passwords.ts';
import { hashPassword, hasHash } from './password-hash.ts';
import type { PasswordAnswer, PasswordPriority, PasswordTask } from './password-process.ts';

/*
 * The child process that hashes passwords: one at a time, and only with the time that no request needs. In
 * the pool of threads of a mapper the same work makes redirects wait 3.4 times as long. The argument is its
 * priority: with `idle` it runs only when the machine has nothing else to do.
 */

const LOWEST_PRIORITY = 19;
const isCommon = createCommonCheck();

/**
 * After each password the child rests for three times as long as that took, so that it works a quarter of the
 * time while people sign in as fast as they can. Even a process that runs only when the machine is idle makes
 * others wait where the kernel divides the machine between groups of processes, as between containers.
 */
const RESTS = 3;
/** A password that took long on a busy machine must not hold up the next one for much longer. */
const MAX_REST_MS = 60;
/** Monotonic. */
let restUntilMs = 0;

const priority = process.argv[2] as PasswordPriority;
try {
  if (priority !== 'ordinary') setPriority(LOWEST_PRIORITY);
} catch {
  // A sandbox may forbid it. Then redirects wait a little longer while people sign in.
}
if (priority === 'idle') {
  try {
    // All threads: those that hash begin later, and inherit it.
    const args = ['--all-tasks', '--idle', '--pid', '0', String(process.pid)];
    execFileSync('/usr/bin/chrt', args, { stdio: 'ignore', timeout: 1_000 });
  } catch {
    // Not allowed, or not there: it is part of util-linux, and our image has nothing but Node. Then it has
    // the lowest priority.
  }
}
process.on('message', (task: PasswordTask) => void answer(task));
// The mapper is gone.
process.on('disconnect', () => process.exit(0));
// Only the mapper is asked to stop, also when the whole group gets the signal.
process.on('SIGTERM', () => undefined).on('SIGINT', () => undefined);

async function answer(task: PasswordTask): Promise<void> {
  if (restUntilMs > monotonicMs()) await pause(restUntilMs - monotonicMs());
  const startedMs = monotonicMs();
  const answered = await work(task);
  const endedMs = monotonicMs();
  restUntilMs = endedMs + Math.min(RESTS * (endedMs - startedMs), MAX_REST_MS);
  process.send?.(answered);
}

async function work({ password, stored, next, mayBeCommon }: PasswordTask): Promise<PasswordAnswer> {
  try {
    if (stored === undefined) return await hash(password, mayBeCommon === true);
    const isRight = await hasHash(password, stored);
    return isRight && next !== undefined ? await hash(next) : { isRight };
  } catch (error) {
    return { failure: String(error) };
  }
}

async function hash(password: string, mayBeCommon = false): Promise<PasswordAnswer> {
  if (!mayBeCommon && (await isCommon(password))) return { isCommon: true };
  return { hash: await hashPassword(password) };
}
