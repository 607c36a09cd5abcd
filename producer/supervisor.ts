import { fork, type ChildProcess } from 'node:child_process';
import { closeSession } from '../coordinator/close-session.ts';
import type { SessionCredentials } from '../coordinator/session.ts';
import { monotonicMs } from '../runtime/clock.ts';
import { KeymillError } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import { delayFor, pauseQuietly } from '../runtime/retry.ts';
import { EXIT_MISCONFIGURED, type ToSupervisor, type ToWorker } from './processes/messages.ts';

export interface SupervisorOptions {
  /** ZooKeeper's connect string. */
  readonly connect: string;
  readonly log: Log;
  /** Module that the worker process runs. */
  readonly workerModule?: URL;
}

/** A producer asked to stop is gone after this, whatever hangs: who ends it by force must wait longer. */
export const SHUTDOWN_DEADLINE_MS = 5_000;
/** For a worker that died before it was ready. */
const RESTART = { baseMs: 500, maxMs: 30_000 };
/** A worker asked to stop has this long before it is killed. */
const STOP_MS = 2_500;
/** At shutdown: how long the session of a killed worker may take to close. */
const CLOSE_MS = 1_500;
/** The standby is forked when its forerunner has settled down, not while it takes shards over. */
const STANDBY_AFTER_MS = 300;

/**
 * Keeps one worker process running, and frees its locks the moment it is dead.
 *
 * A standby process, modules loaded and nothing else, takes the place of a worker that dies: starting Node and loading
 * modules is most of a restart. A worker that had been ready is replaced at once, one that died before after a back-off.
 *
 * @returns when `signal` is aborted and the worker is gone
 * @throws KeymillError when the worker contradicts its stores: restarting would not help
 */
export async function supervise(options: SupervisorOptions, signal: AbortSignal): Promise<void> {
  const { log } = options;
  const closings = new Set<Promise<void>>();
  let standby: WorkerProcess | undefined;
  let failures = 0;
  try {
    while (!signal.aborted) {
      const worker = standby?.alive ? standby : new WorkerProcess(options);
      standby = undefined;
      worker.start();
      const settled = AbortSignal.any([signal, worker.gone]);
      void (async () => {
        await worker.whenReady;
        await pauseQuietly(STANDBY_AFTER_MS, settled);
        if (!settled.aborted) standby = new WorkerProcess(options);
      })();
      const exitCode = await worker.lived(signal);
      closeSessions(worker, options, signal, closings);
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
    await Promise.all([standby?.end(), ...closings]);
  }
}

/** In the background: a lost quorum may take its time, and the next worker need not wait. */
function closeSessions(
  worker: WorkerProcess,
  { connect, log }: SupervisorOptions,
  stopping: AbortSignal,
  closings: Set<Promise<void>>,
): void {
  for (const credentials of worker.sessions) {
    const closing = (async () => {
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
    })();
    closings.add(closing);
    void closing.finally(() => closings.delete(closing));
  }
}

/** One forked process: first a standby, from `start` on a worker. */
class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #log: Log;
  readonly #sessions = new Map<string, SessionCredentials>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #gone = new AbortController();
  readonly #exited: Promise<number | null>;
  #started = false;
  #wasReady = false;

  constructor({ log, workerModule = new URL('worker-main.ts', import.meta.url) }: SupervisorOptions) {
    this.#log = log;
    this.#child = fork(workerModule, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'json',
    });
    this.#child.on('message', (message: ToSupervisor) => this.#onMessage(message));
    this.#exited = new Promise((resolve) => {
      const onGone = (code: number | null): void => {
        this.#gone.abort();
        resolve(code);
      };
      this.#child.once('exit', onGone);
      this.#child.on('error', (error) => {
        log.error({ error }, 'worker process');
        if (this.#child.pid === undefined) onGone(null);
      });
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get alive(): boolean {
    return !this.#gone.signal.aborted && this.#child.connected;
  }

  /** Aborted when the process has exited. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  get wasReady(): boolean {
    return this.#wasReady;
  }

  get whenReady(): Promise<void> {
    return this.#ready.promise;
  }

  /** Sessions it had open when last heard of. */
  get sessions(): readonly SessionCredentials[] {
    return [...this.#sessions.values()];
  }

  start(): void {
    this.#started = true;
    this.#send({ kind: 'start' });
  }

  /** For a standby: it has nothing to lose. */
  async end(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** Returns its exit code when it has exited; an abort asks it to stop, and kills it when it does not. */
  async lived(signal: AbortSignal): Promise<number | null> {
    const stop = (): void => {
      this.#send({ kind: 'stop' });
      setTimeout(() => {
        if (!this.#gone.signal.aborted)
          this.#log.warn({ workerPid: this.pid }, 'worker does not stop; killing it');
        this.#child.kill('SIGKILL');
      }, STOP_MS).unref();
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    try {
      return await this.#exited;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  #onMessage(message: ToSupervisor): void {
    switch (message.kind) {
      case 'loaded':
        if (!this.#started) this.#log.info({ standbyPid: this.pid }, 'standby loaded');
        return;
      case 'session':
        this.#sessions.set(message.credentials.id, message.credentials);
        this.#send({ kind: 'acknowledged', sessionId: message.credentials.id });
        return;
      case 'sessionOver':
        this.#sessions.delete(message.sessionId);
        return;
      case 'ready':
        this.#wasReady = true;
        this.#ready.resolve();
        return;
      default:
        message satisfies never;
    }
  }

  #send(message: ToWorker): void {
    // A channel that has just closed is followed by `exit`.
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }
}
