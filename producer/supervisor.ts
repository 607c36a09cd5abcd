import { closeSession } from '../coordinator/close-session.ts';
import type { SessionCredentials } from '../coordinator/session.ts';
import { monotonicMs } from '../runtime/clock.ts';
import { KeymillError } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import { delayFor, pauseQuietly } from '../runtime/retry.ts';
import { EXIT_MISCONFIGURED } from './processes/messages.ts';
import { WorkerProcess } from './processes/worker-process.ts';

export interface SupervisorOptions {
  /** ZooKeeper's connect string. */
  readonly connect: string;
  readonly log: Log;
  /** Module that the worker process runs. */
  readonly workerModule?: URL;
}

/** A producer that was asked to stop has exited after this time. Wait longer before you kill it. */
export const SHUTDOWN_DEADLINE_MS = 5_000;
/** Pauses between two starts, when the worker died before it was ready. */
const RESTART = { baseMs: 500, maxMs: 30_000 };
/** At shutdown, the session of a killed worker has this long to close. */
const CLOSE_MS = 1_500;
/** The standby is forked this long after `ready`: meanwhile the worker needs the processor for takeovers. */
const STANDBY_AFTER_MS = 300;
const WORKER_MODULE = new URL('worker-main.ts', import.meta.url);

/**
 * Keeps one worker process running, and frees its locks as soon as it is dead.
 *
 * A standby process, which has loaded its modules and does nothing else, replaces a worker that dies:
 * starting Node and loading modules is most of a restart. A worker that had been ready is replaced
 * immediately, one that died before it was ready after a back-off.
 *
 * @returns when `signal` is aborted and the worker is gone
 * @throws KeymillError when the worker contradicts its stores: restarting would not help
 */
export async function supervise(options: SupervisorOptions, signal: AbortSignal): Promise<void> {
  const { log, workerModule = WORKER_MODULE } = options;
  const fork = (): WorkerProcess => new WorkerProcess(workerModule, log);
  const closings = new Set<Promise<void>>();
  let standby: WorkerProcess | undefined;
  let failures = 0;
  try {
    while (!signal.aborted) {
      const worker = standby?.isAlive ? standby : fork();
      standby = undefined;
      worker.start();
      void (async () => {
        if (await isStandbyDue(worker, signal)) standby = fork();
      })();
      const exitCode = await worker.untilExited(signal);
      for (const credentials of worker.sessions) closeInBackground(credentials, options, signal, closings);
      if (signal.aborted) break;
      if (exitCode === EXIT_MISCONFIGURED) {
        throw new KeymillError(
          'WORKER_REFUSED',
          'the worker refuses to run with this configuration; see its log',
        );
      }
      log.warn({ exitCode, workerPid: worker.pid, wasReady: worker.wasReady }, 'worker died; restarting');
      failures = worker.wasReady ? 0 : failures + 1;
      if (failures > 0) await pauseQuietly(delayFor(failures - 1, RESTART), signal);
    }
  } finally {
    await Promise.all([standby?.kill(), ...closings]);
  }
}

/**
 * Resolves {@link STANDBY_AFTER_MS} after `ready`; false when the worker dies before or the supervisor stops.
 */
async function isStandbyDue(worker: WorkerProcess, stopping: AbortSignal): Promise<boolean> {
  const over = AbortSignal.any([stopping, worker.exited]);
  await worker.whenReady;
  await pauseQuietly(STANDBY_AFTER_MS, over);
  return !over.aborted;
}

/** A lost quorum may delay the closing, and the next worker need not wait for it. */
function closeInBackground(
  credentials: SessionCredentials,
  options: SupervisorOptions,
  stopping: AbortSignal,
  closings: Set<Promise<void>>,
): void {
  const closing = closeDeadSession(credentials, options, stopping);
  closings.add(closing);
  void closing.finally(() => closings.delete(closing));
}

/** Tries without limit, but for a bounded time once the supervisor stops. */
async function closeDeadSession(
  credentials: SessionCredentials,
  { connect, log }: SupervisorOptions,
  stopping: AbortSignal,
): Promise<void> {
  const bounded = new AbortController();
  const bound = (): void => void setTimeout(() => bounded.abort(), CLOSE_MS).unref();
  if (stopping.aborted) bound();
  else stopping.addEventListener('abort', bound, { once: true });
  const startedMs = monotonicMs();
  try {
    const outcome = await closeSession({ connect, credentials, log, signal: bounded.signal });
    const tookMs = Math.round(monotonicMs() - startedMs);
    log.info(
      { session: credentials.id, outcome, tookMs },
      "closed the dead worker's session: its locks are free",
    );
  } catch (error) {
    log.warn({ error, session: credentials.id }, "the dead worker's session is left to its timeout");
  } finally {
    stopping.removeEventListener('abort', bound);
  }
}
