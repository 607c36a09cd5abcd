import { setTimeout as delay } from 'node:timers/promises';
import { ClusterError } from './errors.ts';
import { takeLock } from './lock.ts';
import type { ProgressLog } from './progress-log.ts';
import type { RunDir } from './run-dir.ts';
import { State } from './state.ts';
import { stopCluster } from './stop.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * An `up` in a terminal. Until the cluster is ready, Ctrl-C cancels the start: `signal` is aborted. After
 * that, Ctrl-C stops the whole cluster. A second Ctrl-C changes nothing, because a half-stopped cluster is
 * worse than a stopped one.
 */
export class Foreground {
  readonly #runDir: RunDir;
  readonly #progress: ProgressLog;
  readonly #aborted = new AbortController();

  constructor(runDir: RunDir, progress: ProgressLog) {
    this.#runDir = runDir;
    this.#progress = progress;
    for (const name of SIGNALS) {
      // nohup started the launcher. Node does not keep which signals were ignored before it started.
      const isIgnored = name === 'SIGHUP' && process.env['KEYMILL_NOHUP'] === '1';
      process.on(name, () => (isIgnored ? undefined : this.#stop(name)));
    }
  }

  get signal(): AbortSignal {
    return this.#aborted.signal;
  }

  /** Resolves when a signal or another command's `down` has stopped the cluster. */
  async untilStopped(): Promise<void> {
    const died = new Set<string>();
    while (!this.signal.aborted) {
      const state = State.find(this.#runDir);
      if (state === undefined || state.processes().length === 0) {
        this.#progress.line('the cluster was stopped');
        return;
      }
      this.#reportDeaths(state, died);
      await delay(500, undefined, { signal: this.signal }).catch(() => undefined);
    }
    const lock = await takeLock(this.#runDir, () =>
      this.#progress.line('waiting for another up or down to finish …'),
    );
    try {
      const state = State.find(this.#runDir);
      if (state !== undefined) await stopCluster(this.#runDir, state, this.#progress);
      this.#progress.line('the cluster is stopped; the data is kept');
    } finally {
      lock.release();
    }
  }

  #reportDeaths(state: State, died: Set<string>): void {
    for (const { id } of state.processes()) {
      const isDead = state.findRunning(id) === undefined;
      if (isDead && !died.has(id)) {
        died.add(id);
        this.#progress.line(`${id} has ended (log: ${this.#runDir.logOf(id)}); ./scripts/up restarts it`);
      } else if (!isDead) {
        died.delete(id);
      }
    }
  }

  #stop(name: string): void {
    if (this.signal.aborted) {
      this.#progress.line('already stopping …');
      return;
    }
    this.#aborted.abort(new ClusterError(`stopped by ${name}`));
  }
}
