import { fork } from 'node:child_process';
import type { Readiness } from '../../runtime/admin.ts';
import { KeymillError } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import {
  createMetrics,
  lastingOf,
  mergeMetrics,
  type MergedMetrics,
  type Metrics,
  type MetricsSnapshot,
} from '../../runtime/metrics.ts';
import { delayFor, pauseQuietly } from '../../runtime/retry.ts';
import { Child } from './child.ts';
import type { Answers } from './process-messages.ts';

export interface ProcessGroupOptions {
  readonly id: string;
  /** All processes listen on it. */
  readonly port: number;
  readonly processes: number;
  /** Aborted when stopping begins. */
  readonly signal: AbortSignal;
  readonly log: Log;
  /** Called when a process cannot start and none has ever served: starting it again would not help. */
  readonly onHopeless: (error: Error) => void;
}

/** Back-off for a process that died before it served. */
const RESTART = { baseMs: 500, maxMs: 30_000 };
/** Audit and load balancers wait for a second. They must get an answer that names the fault before that. */
const ASK_TIMEOUT_MS = 700;
/** Longer than a process's own deadline. */
const STOP_MS = 16_000;
/** A process that does not answer for this long is killed: its connections would wait for ever. */
const SILENCE_MS = 10_000;
const SILENT: Readiness = { ok: false };

const MODULE = new URL('../process-main.ts', import.meta.url);

/**
 * The processes of one mapper behind one port. Each listens on it, and the kernel distributes the
 * connections. Each process has its own stores, cache and reserve. A process that dies is replaced
 * immediately, or after a back-off if it had never served.
 */
export class ProcessGroup {
  readonly #options: ProcessGroupOptions;
  readonly #children = new Map<number, Child>();
  readonly #keepers: Promise<void>[];
  readonly #own: Metrics = createMetrics();
  /** The last known counts of dead processes. Without them the sums would fall. */
  #retired: MetricsSnapshot = [];
  readonly #lastSeen = new Map<Child, MetricsSnapshot>();
  readonly #everServed = new Set<number>();

  constructor(options: ProcessGroupOptions) {
    this.#options = options;
    this.#keepers = Array.from({ length: options.processes }, async (_, index) => this.#keep(index));
  }

  /** Resolves to their address when all processes serve for the first time. @throws when one ends before */
  async serving(): Promise<{ url: string; publicUrl: string }> {
    const [first] = await Promise.all([...this.#children.values()].map(async ({ serving }) => serving));
    if (first === undefined) throw new RangeError('a mapper has at least one process');
    return first;
  }

  /**
   * Ready while every process that listens can serve redirects, because the kernel gives connections to
   * unready ones as well. A process that is being replaced gets none.
   */
  async readiness(): Promise<Readiness> {
    const { processes, signal } = this.#options;
    const answers = await Promise.all(
      Array.from({ length: processes }, async (_, index) => {
        const child = this.#children.get(index);
        if (child?.isServing !== true) return undefined;
        const answer = await child.ask('readiness', ASK_TIMEOUT_MS).catch(() => SILENT);
        return child.isServing ? answer : undefined;
      }),
    );
    const listening = answers.filter((answer) => answer !== undefined);
    const unready = answers.flatMap((answer, index) => (answer?.ok === true ? [] : [`process-${index + 1}`]));
    const degraded = new Set(
      listening.flatMap((answer) => (answer['degraded'] as string[] | undefined) ?? []),
    );
    return {
      ok: !signal.aborted && listening.length > 0 && listening.every(({ ok }) => ok),
      stopping: signal.aborted,
      degraded: [...degraded, ...(signal.aborted ? [] : unready)],
      keys: Math.max(0, ...listening.map(({ keys }) => Number(keys ?? 0))),
    };
  }

  /**
   * The keys that all processes hold. A process that is still loading, or is dead, holds none.
   * @throws KeymillError when a process does not answer: without the whole list no key may be declared lost
   */
  async heldKeys(): Promise<Answers['reserve']> {
    try {
      const held = await Promise.all(
        [...this.#children.values()]
          .filter(({ mayHoldKeys }) => mayHoldKeys)
          .map(async (child) => child.ask('reserve', ASK_TIMEOUT_MS)),
      );
      return { keys: held.flatMap(({ keys }) => keys), ranges: held.flatMap(({ ranges }) => ranges) };
    } catch (cause) {
      throw new KeymillError(
        'PROCESS_SILENT',
        'not every process of this mapper answers which keys it holds',
        {
          cause,
        },
      );
    }
  }

  /** The metrics of all processes in one: see {@link mergeMetrics}. */
  get metrics(): Pick<Metrics, 'text' | 'contentType' | 'snapshot'> {
    return {
      contentType: this.#own.contentType,
      text: async () => (await this.#merged()).text(),
      snapshot: async () => (await this.#merged()).snapshot(),
    };
  }

  /** Resolves when all processes have ended. Call it after the signal was aborted. */
  async stop(): Promise<void> {
    await Promise.all([...this.#children.values()].map(async (child) => child.stop(STOP_MS)));
    await Promise.all(this.#keepers);
  }

  async #keep(index: number): Promise<void> {
    const { id, port, signal, log, onHopeless } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      const child = new Child(
        fork(MODULE, [id, String(port)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }),
      );
      this.#children.set(index, child);
      void child.serving.then(() => this.#everServed.add(index)).catch(() => undefined);
      void this.#killWhenSilent(child);
      const exitCode = await child.exited;
      this.#children.delete(index);
      await this.#retire(child);
      if (signal.aborted) return;
      if (this.#everServed.size === 0) {
        onHopeless(new KeymillError('PROCESS_FAILED', 'a process of this mapper cannot start; see its log'));
        return;
      }
      log.warn({ exitCode, processPid: child.pid, served: child.wasServing }, 'process died; restarting');
      failures = child.wasServing ? 0 : failures + 1;
      if (failures > 0) await pauseQuietly(delayFor(failures - 1, RESTART), signal);
    }
  }

  async #killWhenSilent(child: Child): Promise<void> {
    const { signal, log } = this.#options;
    try {
      await child.untilSilent(SILENCE_MS, signal);
    } catch {
      return;
    }
    log.error({ processPid: child.pid, silentMs: SILENCE_MS }, 'process hangs; killing it');
    child.kill();
  }

  async #merged(): Promise<MergedMetrics> {
    const children = [...this.#children.values()].filter(({ isServing }) => isServing);
    await Promise.all(
      children.map(async (child) => {
        // For a process that does not answer, its last answer counts.
        const snapshot = await child.ask('metrics', ASK_TIMEOUT_MS).catch(() => undefined);
        if (snapshot !== undefined && child.isServing) this.#lastSeen.set(child, snapshot);
      }),
    );
    return mergeMetrics([await this.#own.snapshot(), ...this.#lastSeen.values(), this.#retired]);
  }

  async #retire(child: Child): Promise<void> {
    const last = this.#lastSeen.get(child);
    this.#lastSeen.delete(child);
    if (last !== undefined) this.#retired = await lastingOf([this.#retired, last]);
  }
}
