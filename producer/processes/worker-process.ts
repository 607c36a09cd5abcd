import { fork, type ChildProcess } from 'node:child_process';
import type { SessionCredentials } from '../../coordinator/session.ts';
import type { Log } from '../../runtime/log.ts';
import type { ToSupervisor, ToWorker } from './messages.ts';

/** How long a worker that was asked to stop may take before it is killed. */
const STOP_MS = 2_500;

/** One forked process, as its supervisor sees it: first a standby, a worker once `start` was called. */
export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #log: Log;
  readonly #sessions = new Map<string, SessionCredentials>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #exited = new AbortController();
  readonly #exitCode: Promise<number | null>;
  #isStarted = false;
  #wasReady = false;

  /** Forks `module`. */
  constructor(module: URL, log: Log) {
    this.#log = log;
    this.#child = fork(module, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'json',
    });
    this.#child.on('message', (message: ToSupervisor) => this.#onMessage(message));
    this.#exitCode = this.#whenExited();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get isAlive(): boolean {
    return !this.#exited.signal.aborted && this.#child.connected;
  }

  /** Aborted when the process has exited. */
  get exited(): AbortSignal {
    return this.#exited.signal;
  }

  get wasReady(): boolean {
    return this.#wasReady;
  }

  get whenReady(): Promise<void> {
    return this.#ready.promise;
  }

  /** The sessions it has open, by its last message. */
  get sessions(): readonly SessionCredentials[] {
    return [...this.#sessions.values()];
  }

  start(): void {
    this.#isStarted = true;
    this.#send({ kind: 'start' });
  }

  /** Kills a standby: it holds nothing that could be lost. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exitCode;
  }

  /** Returns its exit code when it has exited. An abort asks it to stop, and kills it if it does not stop. */
  async untilExited(signal: AbortSignal): Promise<number | null> {
    const stop = (): void => {
      this.#send({ kind: 'stop' });
      setTimeout(() => {
        if (!this.#exited.signal.aborted)
          this.#log.warn({ workerPid: this.pid }, 'worker does not stop; killing it');
        this.#child.kill('SIGKILL');
      }, STOP_MS).unref();
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    try {
      return await this.#exitCode;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async #whenExited(): Promise<number | null> {
    return new Promise((resolve) => {
      const onExit = (code: number | null): void => {
        this.#exited.abort();
        resolve(code);
      };
      this.#child.once('exit', onExit);
      this.#child.on('error', (error) => {
        this.#log.error({ error }, 'the worker process failed');
        if (this.#child.pid === undefined) onExit(null);
      });
    });
  }

  #onMessage(message: ToSupervisor): void {
    switch (message.kind) {
      case 'loaded':
        if (!this.#isStarted) this.#log.info({ standbyPid: this.pid }, 'standby loaded');
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
